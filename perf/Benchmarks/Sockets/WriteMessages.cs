using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;

namespace Peregrine.Benchmarks.Sockets;

/// <summary>A message sent by one call, to a peer that discards it.</summary>
[MemoryDiagnoser]
[SuppressMessage("Reliability", "CA1001", Justification = "The cleanup disposes.")]
public class WriteMessages
{
    // Enough that the task of the benchmark itself does not count.
    private const int Messages = 1024;

    private Loopback _loopback = null!;
    private byte[] _message = null!;

    [Params(64, 256 * 1024)]
    public int Size { get; set; }

    [GlobalSetup]
    public async Task StartAsync()
    {
        _message = RandomMessage.Of(Size);
        _loopback = await Loopback.ConnectAsync();
        await Expect.ArriveAsync(Transport, _loopback.ConnectionPeer, _message, Messages);
        await Expect.ArriveAsync(PlainSocket, _loopback.SocketPeer, _message, Messages);
        _loopback.DiscardAtPeers();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Messages)]
    public async Task PlainSocket()
    {
        for (var i = 0; i < Messages; i++)
        {
            await _loopback.Socket.SendAsync(_message.AsMemory());
        }
    }

    [Benchmark(OperationsPerInvoke = Messages)]
    public async Task Transport()
    {
        for (var i = 0; i < Messages; i++)
        {
            await _loopback.Connection.Transport.Output.WriteAsync(_message);
        }
    }

    [GlobalCleanup]
    public Task StopAsync() => _loopback.DisposeAsync().AsTask();
}
