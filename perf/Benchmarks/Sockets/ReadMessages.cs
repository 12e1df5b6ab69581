using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;

namespace Peregrine.Benchmarks.Sockets;

/// <summary>A message received and consumed as a whole. The time includes the peer's send.</summary>
[MemoryDiagnoser]
[SuppressMessage("Reliability", "CA1001", Justification = "The cleanup disposes.")]
public class ReadMessages
{
    // Enough that the task of the benchmark itself does not count.
    private const int Messages = 2048;

    private Loopback _loopback = null!;
    private byte[] _message = null!;
    private byte[] _received = null!;

    [Params(64, 16 * 1024)]
    public int Size { get; set; }

    /// <summary>Whether the reader waits when the message is sent, or finds it there.</summary>
    [Params(false, true)]
    public bool Waits { get; set; }

    [GlobalSetup]
    public async Task StartAsync()
    {
        _message = RandomMessage.Of(Size);
        _received = new byte[Size];
        _loopback = await Loopback.ConnectAsync();

        await ReadAsync(message => Expect.Same(_message, message.ToArray()));
        await PlainSocket();
        Expect.Same(_message, _received);
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Messages)]
    public async Task PlainSocket()
    {
        for (var i = 0; i < Messages; i++)
        {
            SendIf(!Waits, _loopback.SocketPeer);
            var pending = _loopback.Socket.ReceiveAsync(_received.AsMemory());
            SendIf(Waits, _loopback.SocketPeer);
            for (var received = await pending; received < Size;)
            {
                received += await _loopback.Socket.ReceiveAsync(_received.AsMemory(received));
            }
        }
    }

    [Benchmark(OperationsPerInvoke = Messages)]
    public Task Transport() => ReadAsync(check: null);

    [GlobalCleanup]
    public Task StopAsync() => _loopback.DisposeAsync().AsTask();

    private async Task ReadAsync(Action<ReadOnlySequence<byte>>? check)
    {
        var input = _loopback.Connection.Transport.Input;
        for (var i = 0; i < Messages; i++)
        {
            SendIf(!Waits, _loopback.ConnectionPeer);
            var pending = input.ReadAsync();
            SendIf(Waits, _loopback.ConnectionPeer);
            var read = await pending;
            while (read.Buffer.Length < Size)
            {
                input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                read = await input.ReadAsync();
            }

            check?.Invoke(read.Buffer);
            input.AdvanceTo(read.Buffer.End);
        }
    }

    private void SendIf(bool condition, Socket peer)
    {
        if (condition)
        {
            peer.Send(_message);
        }
    }
}
