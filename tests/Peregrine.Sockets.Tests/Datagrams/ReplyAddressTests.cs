using System.Globalization;
using System.Net;

namespace Peregrine.Sockets.Tests.Datagrams;

/// <summary>A socket that is bound to every address answers from the one that it was asked at.</summary>
public sealed class ReplyAddressTests
{
    [LinuxTheory]
    [InlineData("0.0.0.0", "127.0.0.2")]
    [InlineData("0.0.0.0", "127.0.0.1")]
    [InlineData("::", "127.0.0.2")]
    [InlineData("::", "::1")]
    public async Task An_answer_leaves_from_the_address_that_was_asked(string bound, string asked)
    {
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(address: new IPEndPoint(IPAddress.Parse(bound), 0));
        var inbox = new Inbox();
        server.Start(
            (batch, sender) =>
            {
                _ = inbox.OnDatagramsAsync(batch, sender).AsTask();
                return TestedDatagramsExtensions.Echo(batch, sender);
            },
            new DatagramCounters());
        var target = new IPEndPoint(IPAddress.Parse(asked), ((IPEndPoint)server.LocalEndPoint).Port);
        using var peer = new Peer(target);
        peer.Send("question"u8);
        var (payload, from) = await peer.ReceiveAsync();
        Assert.Equal("question"u8.ToArray(), payload);
        Assert.Equal(target, from);
        var (_, datagram) = await inbox.NextAsync();
        Assert.Equal(new DatagramAddress(target), datagram.LocalAddress);
        Assert.Equal(peer.Address, datagram.RemoteAddress);
        Assert.NotEqual(0, datagram.Path.InterfaceIndex);
    }

    [LinuxFact]
    public async Task Several_answers_go_to_their_peers_with_one_call()
    {
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(address: new IPEndPoint(IPAddress.IPv6Any, 0));
        server.Start(TestedDatagramsExtensions.Echo, new DatagramCounters());
        var port = ((IPEndPoint)server.LocalEndPoint).Port;
        var peers = new List<Peer>();
        foreach (var asked in (string[])["127.0.0.1", "127.0.0.2", "::1", "127.0.0.3"])
        {
            peers.Add(new Peer(new IPEndPoint(IPAddress.Parse(asked), port)));
        }

        for (var round = 0; round < 100; round++)
        {
            peers.ForEach(peer => peer.Send([(byte)round]));
            foreach (var peer in peers)
            {
                var (payload, from) = await peer.ReceiveAsync();
                Assert.Equal(round, Assert.Single(payload));
                Assert.Equal(peer.Server, from);
            }
        }

        peers.ForEach(peer => peer.Dispose());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_socket_of_one_address_knows_it(TestedDatagrams tested)
    {
        await using var server = await tested.BindAsync();
        var inbox = new Inbox();
        server.Start(inbox.OnDatagramsAsync, new DatagramCounters());
        using var peer = new Peer(server.LocalEndPoint);
        peer.Send("x"u8);
        var (_, datagram) = await inbox.NextAsync();
        Assert.Equal(new DatagramAddress((IPEndPoint)server.LocalEndPoint), datagram.LocalAddress);
        Assert.Equal(default, datagram.Marks);
    }

    [LinuxFact]
    public async Task A_source_of_the_other_family_and_a_group_are_passed_over()
    {
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(address: new IPEndPoint(IPAddress.IPv6Any, 0));
        var counters = new DatagramCounters();
        server.Start(TestedDatagramsExtensions.Echo, counters);
        using var peer = new Peer(new IPEndPoint(IPAddress.Loopback, ((IPEndPoint)server.LocalEndPoint).Port));
        foreach (var source in (string[])["::1", "239.1.2.3", "ff02::1"])
        {
            var path = new DatagramPath(peer.Address, new DatagramAddress(new IPEndPoint(IPAddress.Parse(source), 1)));
            Assert.True(server.Sender.TrySend("x"u8, path));
            await peer.ReceiveAsync();
        }

        await server.Sender.FlushAsync().Bounded(); // A datagram arrives before it is counted.
        Assert.Equal(3, counters.Sent);
    }

    [LinuxFact]
    public async Task An_address_that_is_not_this_machines_costs_its_datagram_only()
    {
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(address: new IPEndPoint(IPAddress.Any, 0));
        var counters = new DatagramCounters();
        server.Start(TestedDatagramsExtensions.Echo, counters);
        using var peer = new Peer(new IPEndPoint(IPAddress.Loopback, ((IPEndPoint)server.LocalEndPoint).Port));
        Assert.True(server.Sender.TrySend("1"u8, new DatagramPath(peer.Address)));
        Assert.True(server.Sender.TrySend("2"u8, new DatagramPath(peer.Address, new DatagramAddress(0xC0000201, 0))));
        Assert.True(server.Sender.TrySend("3"u8, new DatagramPath(new DatagramAddress(new IPEndPoint(IPAddress.IPv6Loopback, 9)))));
        Assert.True(server.Sender.TrySend("4"u8, new DatagramPath(peer.Address.WithPort(0))));
        Assert.True(server.Sender.TrySend("5"u8, default));
        Assert.True(server.Sender.TrySend("6"u8, new DatagramPath(peer.Address)));
        await server.Sender.FlushAsync().Bounded();
        Assert.Equal("1"u8.ToArray(), (await peer.ReceiveAsync()).Payload);
        Assert.Equal("6"u8.ToArray(), (await peer.ReceiveAsync()).Payload);
        Assert.Equal(2, counters.Sent);
        Assert.Equal(4, counters.AllDropped());
    }

    [LinuxFact]
    public async Task The_path_mtu_is_told()
    {
        await using var server = await TestedDatagrams.ThreadPool.BindAsync();
        await using var client = await TestedDatagrams.ThreadPool.Transport().ConnectAsync(server.LocalEndPoint);
        var peer = new DatagramPath(new DatagramAddress((IPEndPoint)server.LocalEndPoint));

        // No IP packet is longer (IP_MAX_MTU, net/ip.h).
        var expected = Math.Min(65535, int.Parse(File.ReadAllText("/sys/class/net/lo/mtu"), CultureInfo.InvariantCulture));
        Assert.Equal(expected, client.Sender.GetPathMtu(default));
        Assert.Equal(expected, client.Sender.GetPathMtu(peer));
        Assert.Equal(expected, server.Sender.GetPathMtu(peer));
        Assert.Null(server.Sender.GetPathMtu(default));
        await using var other = await TestedDatagrams.OneByOne.BindAsync();
        Assert.Equal(expected, other.Sender.GetPathMtu(peer));
    }
}
