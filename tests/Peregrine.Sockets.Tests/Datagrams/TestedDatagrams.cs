using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peregrine.Sockets.Tests.Datagrams;

/// <summary>By which system calls, and where handlers are called.</summary>
public enum TestedDatagrams
{
    OneByOne,
    ThreadPool,
    Inline,
    EventLoop,
}

internal static class TestedDatagramsExtensions
{
    public static readonly IPEndPoint AnyLoopbackPort = new(IPAddress.Loopback, 0);

    public static DatagramTransport Transport(this TestedDatagrams tested, Action<DatagramTransportOptions>? configure = null, ILoggerFactory? log = null)
    {
        var options = new DatagramTransportOptions
        {
            Io = tested == TestedDatagrams.OneByOne ? DatagramIo.OneByOne : DatagramIo.Auto,
            Scheduling = tested switch
            {
                TestedDatagrams.Inline => ConnectionScheduling.Inline,
                TestedDatagrams.EventLoop => ConnectionScheduling.EventLoop,
                _ => ConnectionScheduling.ThreadPool,
            },
        };
        configure?.Invoke(options);
        return new DatagramTransport(options, log ?? NullLoggerFactory.Instance);
    }

    public static async Task<IDatagramSocket> BindAsync(
        this TestedDatagrams tested, Action<DatagramTransportOptions>? configure = null, IPEndPoint? address = null, ILoggerFactory? log = null) =>
        await tested.Transport(configure, log).BindAsync(address ?? AnyLoopbackPort);

    /// <summary>How many were dropped, for whatever reason.</summary>
    public static long AllDropped(this DatagramCounters counters) => Enum.GetValues<DatagramDropReason>().Sum(counters.GetDropped);

    public static ValueTask Echo(DatagramBatch batch, DatagramSender sender)
    {
        foreach (ref readonly var datagram in batch)
        {
            sender.TrySend(datagram.Payload.Span, datagram.Path);
        }

        return default;
    }
}

/// <summary>A handler that keeps copies.</summary>
internal sealed class Inbox
{
    private readonly Channel<(byte[] Payload, Datagram Datagram)> _received = Channel.CreateUnbounded<(byte[], Datagram)>();

    public ConcurrentQueue<int> BatchSizes { get; } = new();

    public ValueTask OnDatagramsAsync(DatagramBatch batch, DatagramSender sender)
    {
        BatchSizes.Enqueue(batch.Count);
        foreach (ref readonly var datagram in batch)
        {
            _received.Writer.TryWrite((datagram.Payload.ToArray(), datagram));
        }

        return default;
    }

    public Task<(byte[] Payload, Datagram Datagram)> NextAsync() => _received.Reader.ReadAsync().Bounded();
}

/// <summary>A plain socket of the runtime, as a peer.</summary>
internal sealed class Peer : IDisposable
{
    public Peer(EndPoint server, IPAddress? address = null, int receiveBuffer = 4 << 20)
    {
        Socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = receiveBuffer };
        Socket.Bind(new IPEndPoint(address ?? (server.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Loopback : IPAddress.IPv6Loopback), 0));
        Server = server;
    }

    public Socket Socket { get; }

    public EndPoint Server { get; }

    public DatagramAddress Address => new((IPEndPoint)Socket.LocalEndPoint!);

    public void Send(ReadOnlySpan<byte> payload) => Socket.SendTo(payload, SocketFlags.None, Server);

    public async Task<(byte[] Payload, EndPoint From)> ReceiveAsync()
    {
        var buffer = new byte[65536];
        var received = await Socket.ReceiveFromAsync(buffer, SocketFlags.None, Server).Bounded();
        return (buffer[..received.ReceivedBytes], received.RemoteEndPoint);
    }

    public void Dispose() => Socket.Dispose();
}
