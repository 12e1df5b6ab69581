using System.Diagnostics;
using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Driving.Linux;
using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>
/// Datagrams one way, from the clients to the server, as fast as they go: nothing holds the clients back. What the server counts and what its kernel
/// dropped must be what was sent, to the last one.
/// </summary>
internal sealed class DatagramSinkDrive(Load load, Target target) : IDrive
{
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan DrainStep = TimeSpan.FromMilliseconds(20);

    private long _sent;
    private long _measured;
    private long _measuredDrops;

    public async Task<Measurement> RunAsync(CancellationToken cancellationToken)
    {
        var (received, dropped) = (await AskAsync(cancellationToken), KernelDrops.Of(target.Port));
        var window = new MeasuringWindow();
        var running = Task.Factory.StartNew(() => Send(window), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await window.RunAsync(load, target.Process, running, cancellationToken);
        await running;
        await ConfirmAsync(received, dropped, cancellationToken);

        // What was sent and not dropped: the server has it, but for those few that lie in its buffer.
        var taken = Math.Max(_measured - _measuredDrops, 1);
        return new Measurement
        {
            [Metric.ReceivedPerSecond.Key] = taken / window.Elapsed.TotalSeconds,
            [Metric.Lost.Key] = 100.0 * _measuredDrops / Math.Max(_measured, 1),
            [Metric.CpuPerDatagram.Key] = window.ServerCpu.TotalMicroseconds / taken,
            [Metric.ServerCore.Key] = window.ServerPercent,
            [Metric.ClientCore.Key] = window.ClientPercent,
        };
    }

    private void Send(MeasuringWindow window)
    {
        using var datagrams = new DatagramVector(load.Depth, load.Size);
        DatagramSocket[] sockets = [.. Enumerable.Range(0, load.Connections).Select(_ => DatagramSocket.Connect(target.Port))];
        try
        {
            var (next, wasOpen, sentBefore, droppedBefore) = (0, false, 0L, 0L);
            while (!window.Enough)
            {
                // Both counts at once, or what is sent between them would be neither dropped nor received.
                if (window.IsOpen && !wasOpen)
                {
                    (wasOpen, sentBefore, droppedBefore) = (true, _sent, KernelDrops.Of(target.Port));
                }

                sockets[next].Send(datagrams, datagrams.Count);
                next = next + 1 == sockets.Length ? 0 : next + 1;
                _sent += datagrams.Count;
            }

            (_measured, _measuredDrops) = (_sent - sentBefore, KernelDrops.Of(target.Port) - droppedBefore);
        }
        finally
        {
            Array.ForEach(sockets, socket => socket.Close());
        }
    }

    private async Task ConfirmAsync(long receivedBefore, long droppedBefore, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var (received, dropped) = (0L, 0L);
        do
        {
            await Task.Delay(DrainStep, TimeProvider.System, cancellationToken);
            (received, dropped) = (await AskAsync(cancellationToken) - receivedBefore, KernelDrops.Of(target.Port) - droppedBefore);
        }
        while (received + dropped < _sent && Stopwatch.GetElapsedTime(started) < DrainLimit);

        if (received + dropped != _sent)
        {
            throw new InvalidDataException($"The server counted {received} of {_sent} datagrams, and its kernel dropped {dropped}.");
        }
    }

    private static Task<long> AskAsync(CancellationToken cancellationToken) => ServerAnswers.AskAsync(ServerQuestion.Received, cancellationToken);
}
