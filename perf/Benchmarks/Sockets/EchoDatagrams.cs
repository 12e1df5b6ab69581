using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Sockets;

namespace Peregrine.Benchmarks.Sockets;

/// <summary>Datagrams of 64 bytes to a server and back, many at a time.</summary>
[MemoryDiagnoser]
[SuppressMessage("Reliability", "CA1001", Justification = "The cleanup disposes.")]
public class EchoDatagrams
{
    private const int Datagrams = 64;
    private const int Size = 64;

    private readonly DatagramCounters _counters = new();
    private IDatagramSocket _server = null!;
    private Socket _plainServer = null!;
    private Socket _client = null!;
    private Socket _plainClient = null!;
    private Task _plainEcho = null!;
    private byte[] _message = null!;
    private byte[] _answer = null!;

    [Params(DatagramIo.Batched, DatagramIo.OneByOne)]
    public DatagramIo Io { get; set; }

    [Params(ConnectionScheduling.ThreadPool, ConnectionScheduling.Inline)]
    public ConnectionScheduling Scheduling { get; set; }

    [GlobalSetup]
    public async Task StartAsync()
    {
        _message = RandomMessage.Of(Size);
        _answer = new byte[Size];
        var address = new IPEndPoint(IPAddress.Loopback, 0);
        _server = await new DatagramTransport(new DatagramTransportOptions { Io = Io, Scheduling = Scheduling }, NullLoggerFactory.Instance).BindAsync(address);
        _server.Start(Echo, _counters);
        _plainServer = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        _plainServer.Bind(address);
        _plainEcho = EchoPlainAsync();
        _client = Connect(_server.LocalEndPoint);
        _plainClient = Connect(_plainServer.LocalEndPoint!);

        Transport();
        Expect.Same(_message, _answer);
        _answer.AsSpan().Clear();
        PlainSocket();
        Expect.Same(_message, _answer);
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Datagrams)]
    public void PlainSocket() => RoundTrips(_plainClient);

    [Benchmark(OperationsPerInvoke = Datagrams)]
    public void Transport() => RoundTrips(_client);

    [GlobalCleanup]
    public async Task StopAsync()
    {
        await _server.StopReceivingAsync(default);
        await _server.DisposeAsync();
        _plainServer.Dispose();
        await _plainEcho.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _client.Dispose();
        _plainClient.Dispose();
    }

    private void RoundTrips(Socket client)
    {
        for (var i = 0; i < Datagrams; i++)
        {
            client.Send(_message);
        }

        for (var i = 0; i < Datagrams; i++)
        {
            client.Receive(_answer);
        }
    }

    private static Socket Connect(EndPoint server)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Connect(server);
        return socket;
    }

    private static ValueTask Echo(DatagramBatch batch, DatagramSender sender)
    {
        foreach (ref readonly var datagram in batch)
        {
            sender.TrySend(datagram.Payload.Span, datagram.Path);
        }

        return default;
    }

    private async Task EchoPlainAsync()
    {
        var buffer = new byte[65536];
        var peer = new SocketAddress(AddressFamily.InterNetwork);
        while (true)
        {
            var bytes = await _plainServer.ReceiveFromAsync(buffer, SocketFlags.None, peer);
            await _plainServer.SendToAsync(buffer.AsMemory(0, bytes), SocketFlags.None, peer);
        }
    }
}
