using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Sockets;

namespace Peregrine.Benchmarks.Sockets;

/// <summary>
/// A message to a connection of the transport and back, over loopback, one at a time: what the reader and the writer allocate. The client is a
/// socket with blocking calls, which allocate nothing.
/// </summary>
[MemoryDiagnoser]
[SuppressMessage("Reliability", "CA1001", Justification = "The cleanup disposes.")]
public class EchoRoundTrip
{
    private IConnectionListener _listener = null!;
    private ConnectionContext _server = null!;
    private Socket _client = null!;
    private Task _echo = null!;
    private byte[] _message = null!;
    private byte[] _answer = null!;

    [Params(64, 16 * 1024)]
    public int Size { get; set; }

    [GlobalSetup]
    public async Task StartAsync()
    {
        _message = new byte[Size];
        new Random(1).NextBytes(_message);
        _answer = new byte[Size];
        var transport = new SocketTransportFactory(new SocketTransportOptions(), NullLoggerFactory.Instance);
        _listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        _client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await _client.ConnectAsync(_listener.EndPoint);
        _server = (await _listener.AcceptAsync())!;
        _echo = EchoAsync(_server);

        RoundTrip();
        if (!_answer.AsSpan().SequenceEqual(_message))
        {
            throw new InvalidOperationException("The answer is not the message.");
        }
    }

    [Benchmark]
    public void RoundTrip()
    {
        _client.Send(_message);
        for (var received = 0; received < _answer.Length;)
        {
            received += _client.Receive(_answer, received, _answer.Length - received, SocketFlags.None);
        }
    }

    [GlobalCleanup]
    public async Task StopAsync()
    {
        _client.Dispose();
        await _echo;
        await _server.DisposeAsync();
        await _listener.DisposeAsync();
    }

    private static async Task EchoAsync(ConnectionContext connection)
    {
        while (true)
        {
            var read = await connection.Transport.Input.ReadAsync();
            foreach (var segment in read.Buffer)
            {
                await connection.Transport.Output.WriteAsync(segment);
            }

            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return;
            }
        }
    }
}
