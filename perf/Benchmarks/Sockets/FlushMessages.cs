using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;

namespace Peregrine.Benchmarks.Sockets;

/// <summary>Many small messages written into the output's memory, and one flush of them all, to a peer that discards them.</summary>
/// <remarks>The rival gathers them by hand, in an array that it sends.</remarks>
[MemoryDiagnoser]
[SuppressMessage("Reliability", "CA1001", Justification = "The cleanup disposes.")]
public class FlushMessages
{
    private const int Flushes = 2048;
    private const int MessagesPerFlush = 64;
    private const int Size = 64;

    private readonly byte[] _message = RandomMessage.Of(Size);
    private readonly byte[] _gathered = new byte[MessagesPerFlush * Size];
    private Loopback _loopback = null!;

    [GlobalSetup]
    public async Task StartAsync()
    {
        _loopback = await Loopback.ConnectAsync();
        await Expect.ArriveAsync(Transport, _loopback.ConnectionPeer, _message, Flushes * MessagesPerFlush);
        await Expect.ArriveAsync(PlainSocket, _loopback.SocketPeer, _message, Flushes * MessagesPerFlush);
        _loopback.DiscardAtPeers();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Flushes)]
    public async Task PlainSocket()
    {
        for (var i = 0; i < Flushes; i++)
        {
            for (var message = 0; message < MessagesPerFlush; message++)
            {
                _message.CopyTo(_gathered, message * Size);
            }

            await _loopback.Socket.SendAsync(_gathered.AsMemory());
        }
    }

    [Benchmark(OperationsPerInvoke = Flushes)]
    public async Task Transport()
    {
        var output = _loopback.Connection.Transport.Output;
        for (var i = 0; i < Flushes; i++)
        {
            for (var message = 0; message < MessagesPerFlush; message++)
            {
                _message.CopyTo(output.GetMemory(Size));
                output.Advance(Size);
            }

            await output.FlushAsync();
        }
    }

    [GlobalCleanup]
    public Task StopAsync() => _loopback.DisposeAsync().AsTask();
}
