using System.Diagnostics;
using Peregrine.LoadTest.Driving.Linux;
using Peregrine.LoadTest.Processes;
using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving;

/// <summary>What connections cost that spoke once and then wait: resident memory for each, and the CPU time of the server.</summary>
internal sealed class IdleDrive(Load load, Target target) : IDrive
{
    // Code that is compiled and pools that are filled by the first connections are no cost of the others.
    private const int WarmUpConnections = 500;

    // The watch is longer than the measured time of a load: what happens once a second is to happen often enough.
    private const int WatchFactor = 5;

    // The runtime compiles better code in the background for some ten seconds after the last burst, and of what happens once a second when it has happened
    // thirty times: what that costs is to be seen without it.
    private const int SettleAtLeast = 15;
    private const int SettleIdleAtLeast = 35;

    private readonly List<NativeSocket> _sockets = [];
    private readonly SourceAddresses _sources = new();

    public async Task<Measurement> RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            Open(WarmUpConnections);
            Close();
            await WaitAsync(Math.Max(load.WarmUp, SettleAtLeast), cancellationToken);
            var before = ProcessMemory.ResidentInKiB(target.Process);

            Open(load.Connections);
            await WaitAsync(Math.Max(load.WarmUp, SettleIdleAtLeast), cancellationToken);
            var clock = new ProcessClock(target.Process);
            var (cpu, started) = (clock.Read(), Stopwatch.GetTimestamp());
            await WaitAsync(WatchFactor * load.Seconds, cancellationToken);
            cpu = clock.Read() - cpu;
            var percent = 100 * (cpu / Stopwatch.GetElapsedTime(started));
            return new Measurement
            {
                [Metric.KibibytesPerConnection.Key] = (ProcessMemory.ResidentInKiB(target.Process) - before) / (double)load.Connections,
                [Metric.IdleCpu.Key] = percent,
            };
        }
        finally
        {
            Close();
        }
    }

    private void Open(int connections)
    {
        var message = new byte[load.Size];
        var answer = new byte[load.Size];
        for (var i = 0; i < connections; i++)
        {
            var socket = NativeSocket.Connect(_sources.Next(), target.Port).WithOptions();
            _sockets.Add(socket);
            new Random(i).NextBytes(message);
            if (socket.TrySend(message) != message.Length || socket.Receive(answer) != answer.Length || !answer.AsSpan().SequenceEqual(message))
            {
                throw new InvalidDataException($"Connection {i + 1} was not answered with what it sent.");
            }
        }
    }

    private void Close()
    {
        _sockets.ForEach(socket => socket.Close());
        _sockets.Clear();
    }

    private static Task WaitAsync(int seconds, CancellationToken cancellationToken) =>
        Task.Delay(TimeSpan.FromSeconds(seconds), TimeProvider.System, cancellationToken);
}
