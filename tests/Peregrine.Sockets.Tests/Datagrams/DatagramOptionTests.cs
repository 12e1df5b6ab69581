using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Tests.Datagrams;

public sealed class DatagramOptionTests
{
    private const int NoSuchCall = 38; // ENOSYS

    public static TheoryData<string, Action<DatagramTransportOptions>> OutOfRange() => new()
    {
        { "Listeners", options => options.Listeners = 0 },
        { "Listeners", options => options.Listeners = 1025 },
        { "BatchSize", options => options.BatchSize = 0 },
        { "BatchSize", options => options.BatchSize = 1025 },
        { "MaxDatagramSizeInBytes", options => options.MaxDatagramSizeInBytes = 0 },
        { "MaxDatagramSizeInBytes", options => options.MaxDatagramSizeInBytes = 65536 },
        { "MaxQueuedBytes", options => options.MaxQueuedBytes = 65535 },
        { "MaxQueuedDatagrams", options => options.MaxQueuedDatagrams = 0 },
        { "Socket.ReceiveBufferSizeInBytes", options => options.Socket.ReceiveBufferSizeInBytes = 0 },
        { "Socket.SendBufferSizeInBytes", options => options.Socket.SendBufferSizeInBytes = 1 << 30 },
        { "Socket.Dscp", options => options.Socket.Dscp = 64 },
        { "Socket.TimeToLive", options => options.Socket.TimeToLive = 256 },
        { "Socket.Device", options => options.Socket.Device = "a-name-of-16-byt" },
        { "Socket.Multicast.TimeToLive", options => options.Socket.Multicast.TimeToLive = 256 },
        { "Socket.Multicast.Interface", options => options.Socket.Multicast.Interface = "" },
        { "Socket.Multicast.Groups[0].Address", options => options.Socket.Multicast.Groups.Add(new MulticastGroup()) },
        { "Socket.Multicast.Groups[0].Address", options => options.Socket.Multicast.Groups.Add(new MulticastGroup { Address = IPAddress.Loopback }) },
        {
            "Socket.Multicast.Groups[0].Source",
            options => options.Socket.Multicast.Groups.Add(new MulticastGroup { Address = IPAddress.Parse("232.1.1.1"), Source = IPAddress.IPv6Loopback })
        },
    };

    [Theory]
    [MemberData(nameof(OutOfRange), DisableDiscoveryEnumeration = true)]
    public void A_value_out_of_its_range_is_named(string option, Action<DatagramTransportOptions> set)
    {
        var options = new DatagramTransportOptions();
        set(options);
        var exception = Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramTransport(options, NullLoggerFactory.Instance));
        Assert.Equal(option, exception.ParamName);
        Assert.Contains("takes", exception.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, string, Action<DatagramTransportOptions>> Impossible() => new()
    {
        { "Socket.IPv6Only", "127.0.0.1", options => options.Socket.IPv6Only = true },
        { "Socket.Device", "127.0.0.1", options => options.Socket.Device = "no-such" },
        { "Socket.Multicast.Interface", "127.0.0.1", options => options.Socket.Multicast.Interface = "no-such" },
        { "Socket.Multicast.Groups[0].Address", "127.0.0.1", options => options.Socket.Multicast.Groups.Add(new MulticastGroup { Address = IPAddress.Parse("ff02::1:1") }) },
        { "Socket.Multicast.Groups[0].Address", "::1", options => options.Socket.Multicast.Groups.Add(new MulticastGroup { Address = IPAddress.Parse("239.1.1.1") }) },
        {
            "Socket.Multicast.Groups[0].Interface",
            "127.0.0.1",
            options => options.Socket.Multicast.Groups.Add(new MulticastGroup { Address = IPAddress.Parse("239.1.1.1"), Interface = "192.0.2.1" })
        },
        {
            "Socket.ReceiveMarks",
            "127.0.0.1",
            options =>
            {
                options.Socket.ReceiveMarks = true;
                options.Io = DatagramIo.OneByOne;
            }
        },
    };

    [LinuxTheory]
    [MemberData(nameof(Impossible), DisableDiscoveryEnumeration = true)]
    public async Task An_option_that_cannot_be_had_is_named(string option, string address, Action<DatagramTransportOptions> set)
    {
        var options = new DatagramTransportOptions();
        set(options);
        var transport = new DatagramTransport(options, NullLoggerFactory.Instance);
        var exception = await Assert.ThrowsAsync<SocketOptionException>(
            async () => await transport.BindAsync(new IPEndPoint(IPAddress.Parse(address), 0)));
        Assert.Equal(option, exception.Option);
    }

    [LinuxFact]
    public async Task A_sandbox_that_refuses_the_calls_is_noticed_at_the_start()
    {
        DatagramCalls refusing;
        unsafe
        {
            refusing = new DatagramCalls((_, _, _) => -NoSuchCall, (_, _, _) => -NoSuchCall);
        }

        var log = new RecordedLog();
        await using (var auto = await TestedDatagrams.Inline.BindAsync(options => options.Calls = refusing, log: log))
        {
            auto.Start(TestedDatagramsExtensions.Echo, new DatagramCounters());
            using var peer = new Peer(auto.LocalEndPoint);
            peer.Send("x"u8);
            await peer.ReceiveAsync();
        }

        Assert.Contains("OneByOne", Assert.Single(log.WithId(20)), StringComparison.Ordinal);
        Assert.Contains("Inline", Assert.Single(log.WithId(25)), StringComparison.Ordinal);
        var exception = await Assert.ThrowsAsync<SocketOptionException>(() => TestedDatagrams.ThreadPool.BindAsync(options =>
        {
            options.Io = DatagramIo.Batched;
            options.Calls = refusing;
        }));
        Assert.Equal("Io", exception.Option);
        Assert.Contains("seccomp", exception.Message, StringComparison.Ordinal);
    }

    [LinuxFact]
    public async Task What_the_kernel_grants_is_logged()
    {
        var log = new RecordedLog();
        await using (await TestedDatagrams.ThreadPool.BindAsync(log: log))
        {
        }

        var bound = Assert.Single(log.WithId(20));
        Assert.Contains("Batched", bound, StringComparison.Ordinal);
        Assert.Contains($"receive buffer {Math.Min(4 << 20, Sysctl.Read("net.core.rmem_max")!.Value)} bytes", bound, StringComparison.Ordinal);
        await using (await TestedDatagrams.ThreadPool.BindAsync(options => options.Socket.ReceiveBufferSizeInBytes = (1 << 30) - 1, log: log))
        {
        }

        Assert.Contains("net.core.rmem_max", log.WithId(6)[^1], StringComparison.Ordinal);
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task An_address_in_use_is_told_like_that_of_a_listener(TestedDatagrams tested)
    {
        await using var server = await tested.BindAsync();
        await Assert.ThrowsAsync<AddressInUseException>(() => tested.BindAsync(address: (IPEndPoint)server.LocalEndPoint));
    }

    [LinuxTheory]
    [ClassData(typeof(EveryWay))]
    public async Task Several_sockets_share_a_port_and_each_peer_keeps_its_order(TestedDatagrams tested)
    {
        const int Peers = 50;
        const int Each = 100;
        await using var server = await tested.BindAsync(options => options.Listeners = 4);
        var counters = new DatagramCounters();
        var inbox = new Inbox();
        var senders = new System.Collections.Concurrent.ConcurrentDictionary<DatagramSender, int>();
        server.Start(
            (batch, sender) =>
            {
                senders.AddOrUpdate(sender, 1, (_, count) => count + 1);
                return inbox.OnDatagramsAsync(batch, sender);
            },
            counters);
        await Assert.ThrowsAsync<AddressInUseException>(() => tested.BindAsync(options => options.Listeners = 4, (IPEndPoint)server.LocalEndPoint));
        var peers = Enumerable.Range(0, Peers).Select(_ => new Peer(server.LocalEndPoint)).ToList();
        for (var i = 0; i < Each; i++)
        {
            peers.ForEach(peer => peer.Send(BitConverter.GetBytes(i)));
        }

        var next = new Dictionary<DatagramAddress, int>();
        for (var i = 0; i < Peers * Each; i++)
        {
            var (payload, datagram) = await inbox.NextAsync();
            next.TryGetValue(datagram.RemoteAddress, out var expected);
            Assert.Equal(expected, BitConverter.ToInt32(payload));
            next[datagram.RemoteAddress] = expected + 1;
        }

        Assert.Equal(4, senders.Count);
        await server.StopReceivingAsync(default).Bounded();
        peers.ForEach(peer => peer.Dispose());
    }
}
