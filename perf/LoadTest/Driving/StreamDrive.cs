using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Driving.Linux;
using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving;

/// <summary>
/// Blocks one way, from the client to the server, which counts them; after both FINs its count is compared with ours. The blocks come from a file in
/// memory, which costs the client no copy, so that the server is what is measured.
/// </summary>
internal sealed class StreamDrive(Load load, Target target) : IDrive
{
    private const double Mebi = 1024 * 1024;

    private long _sent;
    private long _measured;

    public async Task<Measurement> RunAsync(CancellationToken cancellationToken)
    {
        var socket = NativeSocket.Connect(SourceAddresses.Loopback, target.Port).WithOptions();
        var block = CreateBlock();
        try
        {
            var before = await ServerAnswers.AskAsync(ServerQuestion.Received, cancellationToken);
            var window = new MeasuringWindow();
            var running = Task.Factory.StartNew(
                () => Send(socket, block, window), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            await window.RunAsync(load, target.Process, running, cancellationToken);
            await running;
            await ConfirmAsync(socket, before, cancellationToken);
            var mebibytes = _measured / Mebi;
            return new Measurement
            {
                [Metric.MebibytesPerSecond.Key] = mebibytes / window.Elapsed.TotalSeconds,
                [Metric.CpuPerMebibyte.Key] = window.ServerCpu.TotalMicroseconds / Math.Max(mebibytes, 1),
                [Metric.ServerCore.Key] = window.ServerPercent,
                [Metric.ClientCore.Key] = window.ClientPercent,
            };
        }
        finally
        {
            socket.Close();
            _ = Libc.Close(block);
        }
    }

    private void Send(NativeSocket socket, int block, MeasuringWindow window)
    {
        while (!window.Enough)
        {
            var count = socket.SendFile(block, load.Size);
            _sent += count;
            if (window.IsOpen)
            {
                _measured += count;
            }
        }
    }

    private async Task ConfirmAsync(NativeSocket socket, long before, CancellationToken cancellationToken)
    {
        socket.ShutdownSend();
        if (socket.Receive(stackalloc byte[1]) != 0)
        {
            throw new InvalidDataException("The sink sent something.");
        }

        var counted = await ServerAnswers.AskAsync(ServerQuestion.Received, cancellationToken) - before;
        if (counted != _sent)
        {
            throw new InvalidDataException($"The server counted {counted} of {_sent} bytes.");
        }
    }

    private unsafe int CreateBlock()
    {
        var file = NativeSocket.Checked(Libc.CreateMemoryFile("block", 0), "memfd_create");
        var content = new byte[load.Size];
        new Random(load.Size).NextBytes(content);
        fixed (byte* bytes = content)
        {
            NativeSocket.Checked(Libc.Write(file, bytes, content.Length), "write");
        }

        return file;
    }
}
