using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;

namespace Peregrine.Benchmarks.Sockets;

/// <summary>A message to a server and back, one at a time: what the reader and the writer do together.</summary>
[MemoryDiagnoser]
[SuppressMessage("Reliability", "CA1001", Justification = "The cleanup disposes.")]
public class EchoRoundTrip
{
    private Loopback _loopback = null!;
    private Task _echo = null!;
    private Task _plainEcho = null!;
    private byte[] _message = null!;
    private byte[] _answer = null!;

    [Params(64, 16 * 1024)]
    public int Size { get; set; }

    [GlobalSetup]
    public async Task StartAsync()
    {
        _message = RandomMessage.Of(Size);
        _answer = new byte[Size];
        _loopback = await Loopback.ConnectAsync();
        _echo = EchoAsync();
        _plainEcho = EchoPlainAsync();

        Transport();
        Expect.Same(_message, _answer);
        _answer.AsSpan().Clear();
        PlainSocket();
        Expect.Same(_message, _answer);
    }

    [Benchmark(Baseline = true)]
    public void PlainSocket() => RoundTrip(_loopback.SocketPeer);

    [Benchmark]
    public void Transport() => RoundTrip(_loopback.ConnectionPeer);

    [GlobalCleanup]
    public async Task StopAsync()
    {
        _loopback.ConnectionPeer.Shutdown(SocketShutdown.Send);
        _loopback.SocketPeer.Shutdown(SocketShutdown.Send);
        await _echo;
        await _plainEcho;
        await _loopback.DisposeAsync();
    }

    private void RoundTrip(Socket client)
    {
        client.Send(_message);
        Loopback.Receive(client, _answer);
    }

    private async Task EchoAsync()
    {
        var (input, output) = (_loopback.Connection.Transport.Input, _loopback.Connection.Transport.Output);
        while (true)
        {
            var read = await input.ReadAsync();
            foreach (var segment in read.Buffer)
            {
                await output.WriteAsync(segment);
            }

            input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return;
            }
        }
    }

    private async Task EchoPlainAsync()
    {
        var buffer = new byte[16 * 1024];
        while (await _loopback.Socket.ReceiveAsync(buffer.AsMemory()) is > 0 and var bytes)
        {
            await _loopback.Socket.SendAsync(buffer.AsMemory(0, bytes));
        }
    }
}
