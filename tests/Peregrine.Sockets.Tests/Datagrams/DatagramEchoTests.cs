using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Peregrine.Sockets.Tests.Datagrams;

public sealed class DatagramEchoTests
{
    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Boundaries_stay_also_of_empty_and_of_the_largest_datagrams(TestedDatagrams tested)
    {
        await using var server = await tested.BindAsync();
        var counters = new DatagramCounters();
        server.Start(TestedDatagramsExtensions.Echo, counters);
        using var peer = new Peer(server.LocalEndPoint);
        foreach (var size in (int[])[0, 1, 0, 1200, 65507, 3, 0])
        {
            var payload = new byte[size];
            Random.Shared.NextBytes(payload);
            peer.Send(payload);
            var (received, from) = await peer.ReceiveAsync();
            Assert.Equal(payload, received);
            Assert.Equal(server.LocalEndPoint, from);
        }

        Assert.Equal(7, counters.Received);
        Assert.Equal(0, counters.AllDropped());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_client_of_the_transport_and_a_server_echo(TestedDatagrams tested)
    {
        await using var server = await tested.BindAsync();
        server.Start(TestedDatagramsExtensions.Echo, new DatagramCounters());
        await using var client = await tested.Transport().ConnectAsync(new DnsEndPoint("localhost", ((IPEndPoint)server.LocalEndPoint).Port, AddressFamily.InterNetwork));
        var inbox = new Inbox();
        client.Start(inbox.OnDatagramsAsync, new DatagramCounters());
        Assert.Equal(server.LocalEndPoint, client.RemoteEndPoint);
        for (var i = 0; i < 1000; i++)
        {
            Assert.True(client.Sender.TrySend(Encoding.UTF8.GetBytes($"{i}"), default));
        }

        for (var i = 0; i < 1000; i++)
        {
            var (payload, datagram) = await inbox.NextAsync();
            Assert.Equal($"{i}", Encoding.UTF8.GetString(payload));
            Assert.Equal(new DatagramAddress((IPEndPoint)server.LocalEndPoint), datagram.RemoteAddress);
        }
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_burst_loses_no_wakeup(TestedDatagrams tested)
    {
        const int Sent = 20_000;
        await using var server = await tested.BindAsync();
        var counters = new DatagramCounters();
        server.Start(TestedDatagramsExtensions.Echo, counters);
        using var peer = new Peer(server.LocalEndPoint);
        for (var round = 1; round <= 3; round++)
        {
            for (var i = 0; i < Sent; i++)
            {
                peer.Send("burst"u8);
            }

            using var limit = new CancellationTokenSource(TestTimeout.Limit);
            while (Arrived() < (long)round * Sent)
            {
                limit.Token.ThrowIfCancellationRequested();
                await Task.Yield();
                server.CountKernelDrops();
            }
        }

        Assert.Equal(3L * Sent, Arrived());

        long Arrived() => counters.Received + counters.GetDropped(DatagramDropReason.ReceiveBufferFull);
    }
}
