using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Peregrine.Sockets.Tests.Datagrams;

public sealed class MulticastTests
{
    [LinuxTheory]
    [InlineData(TestedDatagrams.OneByOne)]
    [InlineData(TestedDatagrams.ThreadPool)]
    public Task A_group_is_joined_on_an_interface_and_sent_to_by_it(TestedDatagrams tested) => JoinAndSendAsync(tested, "239.77.1.2", "lo", "127.0.0.1");

    [MulticastIPv6Theory]
    [InlineData(TestedDatagrams.OneByOne)]
    [InlineData(TestedDatagrams.ThreadPool)]
    public Task A_group_of_IPv6_is_joined_on_an_interface_and_sent_to_by_it(TestedDatagrams tested)
    {
        var (name, address, _) = MulticastIPv6TheoryAttribute.Interface!.Value;
        return JoinAndSendAsync(tested, "ff12::7:7", name, address);
    }

    // With no hop, nothing leaves this machine.
    private static async Task JoinAndSendAsync(TestedDatagrams tested, string address, string interfaceName, string interfaceAddress)
    {
        var group = IPAddress.Parse(address);
        await using var server = await tested.BindAsync(
            options =>
            {
                options.Socket.Multicast.Groups.Add(new MulticastGroup { Address = group, Interface = interfaceName });
                options.Socket.Multicast.Interface = interfaceAddress;
                options.Socket.Multicast.TimeToLive = 0;
            },
            new IPEndPoint(IPAddress.IPv6Any, 0));
        var inbox = new Inbox();
        server.Start(inbox.OnDatagramsAsync, new DatagramCounters());
        var port = ((IPEndPoint)server.LocalEndPoint).Port;
        Assert.True(server.Sender.TrySend("own"u8, new DatagramPath(new DatagramAddress(new IPEndPoint(group, port)))));
        Assert.Equal("own"u8.ToArray(), (await inbox.NextAsync()).Payload);

        await using var other = await tested.BindAsync(
            options =>
            {
                options.Socket.Multicast.Interface = interfaceName;
                options.Socket.Multicast.TimeToLive = 0;
                options.Socket.ReceiveMarks = tested != TestedDatagrams.OneByOne;
            },
            new IPEndPoint(group.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0));
        var answers = new Inbox();
        other.Start(answers.OnDatagramsAsync, new DatagramCounters());
        Assert.True(other.Sender.TrySend("other"u8, new DatagramPath(new DatagramAddress(new IPEndPoint(group, port)))));
        var (payload, datagram) = await inbox.NextAsync();
        Assert.Equal("other"u8.ToArray(), payload);
        if (tested != TestedDatagrams.OneByOne)
        {
            Assert.Equal(new DatagramAddress(new IPEndPoint(group, port)), datagram.LocalAddress);
        }

        // The way back, from an address of this side.
        Assert.True(server.Sender.TrySend("answer"u8, datagram.Path));
        Assert.Equal("answer"u8.ToArray(), (await answers.NextAsync()).Payload);
    }

    [LinuxFact]
    public async Task What_others_have_joined_and_the_own_loop_are_left_out_where_it_is_asked_for()
    {
        var joined = IPAddress.Parse("239.77.1.3");
        var others = IPAddress.Parse("239.77.1.4");
        await using var other = await TestedDatagrams.ThreadPool.BindAsync(
            options => options.Socket.Multicast.Groups.Add(new MulticastGroup { Address = others, Interface = "lo" }), new IPEndPoint(IPAddress.Any, 0));
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(
            options =>
            {
                options.Listeners = 2;
                options.Socket.Multicast.Groups.Add(new MulticastGroup { Address = joined, Interface = "lo" });
            },
            new IPEndPoint(IPAddress.Any, 0));
        var inbox = new Inbox();
        server.Start(inbox.OnDatagramsAsync, new DatagramCounters());
        var port = ((IPEndPoint)server.LocalEndPoint).Port;
        using var peer = new Peer(server.LocalEndPoint, IPAddress.Loopback);
        peer.Socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, IPAddress.HostToNetworkOrder(1));
        peer.Socket.SendTo("no"u8, new IPEndPoint(others, port));
        peer.Socket.SendTo("yes"u8, new IPEndPoint(joined, port));
        peer.Socket.SendTo("last"u8, new IPEndPoint(joined, port));
        Assert.Equal("yes"u8.ToArray(), (await inbox.NextAsync()).Payload);

        // Once, although there are two sockets.
        Assert.Equal("last"u8.ToArray(), (await inbox.NextAsync()).Payload);
    }

    [LinuxTheory]
    [InlineData("232.77.1.5", "127.0.0.1", "127.0.0.2")]
    public async Task Only_the_chosen_source_is_received(string address, string wanted, string unwanted)
    {
        var group = IPAddress.Parse(address);
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(
            options => options.Socket.Multicast.Groups.Add(new MulticastGroup { Address = group, Source = IPAddress.Parse(wanted), Interface = "lo" }),
            new IPEndPoint(IPAddress.Any, 0));
        var inbox = new Inbox();
        server.Start(inbox.OnDatagramsAsync, new DatagramCounters());
        foreach (var source in (string[])[unwanted, wanted])
        {
            using var peer = new Peer(server.LocalEndPoint, IPAddress.Parse(source));
            peer.Socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, IPAddress.HostToNetworkOrder(1));
            peer.Socket.SendTo([(byte)source[^1]], new IPEndPoint(group, ((IPEndPoint)server.LocalEndPoint).Port));
        }

        Assert.Equal((byte)wanted[^1], Assert.Single((await inbox.NextAsync()).Payload));
    }

    [MulticastIPv6Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Only_the_chosen_source_of_IPv6_is_received(bool isWanted)
    {
        var (name, own, index) = MulticastIPv6TheoryAttribute.Interface!.Value;
        var group = IPAddress.Parse("ff32::7:8");
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(
            options => options.Socket.Multicast.Groups.Add(
                new MulticastGroup { Address = group, Source = IPAddress.Parse(isWanted ? own : "2001:db8::1"), Interface = name }),
            new IPEndPoint(IPAddress.IPv6Any, 0));
        var inbox = new Inbox();
        server.Start(inbox.OnDatagramsAsync, new DatagramCounters());
        using var peer = new Peer(new IPEndPoint(IPAddress.IPv6Any, 0), IPAddress.Parse(own));
        peer.Socket.SetSocketOption(SocketOptionLevel.IPv6, SocketOptionName.MulticastInterface, index);
        peer.Socket.SetSocketOption(SocketOptionLevel.IPv6, SocketOptionName.MulticastTimeToLive, 0);
        var port = ((IPEndPoint)server.LocalEndPoint).Port;
        peer.Socket.SendTo("group"u8, new IPEndPoint(group, port));
        peer.Socket.SendTo("last"u8, new IPEndPoint(IPAddress.Parse(own), port));
        Assert.Equal(isWanted ? "group" : "last", Encoding.UTF8.GetString((await inbox.NextAsync()).Payload));
    }

    [LinuxFact]
    public async Task A_broadcast_needs_the_option_and_is_answered_from_an_address_of_this_side()
    {
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(address: new IPEndPoint(IPAddress.Any, 0));
        server.Start(TestedDatagramsExtensions.Echo, new DatagramCounters());
        var everybody = new DatagramPath(new DatagramAddress(0x7FFFFFFF, (ushort)((IPEndPoint)server.LocalEndPoint).Port));
        await using (var without = await TestedDatagrams.ThreadPool.BindAsync())
        {
            var counters = new DatagramCounters();
            without.Start(TestedDatagramsExtensions.Echo, counters);
            Assert.True(without.Sender.TrySend("x"u8, everybody));
            await without.Sender.FlushAsync().Bounded();
            Assert.Equal(1, counters.GetDropped(DatagramDropReason.SendRefused));
        }

        await using var with = await TestedDatagrams.ThreadPool.BindAsync(options => options.Socket.Broadcast = true);
        var inbox = new Inbox();
        with.Start(inbox.OnDatagramsAsync, new DatagramCounters());
        Assert.True(with.Sender.TrySend("everybody"u8, everybody));
        var (payload, datagram) = await inbox.NextAsync();
        Assert.Equal("everybody"u8.ToArray(), payload);
        Assert.NotEqual(0x7FFFFFFFu, datagram.RemoteAddress.IPv4Bits);
    }
}
