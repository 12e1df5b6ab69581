using System.Net;

namespace Peregrine.Sockets.Tests.Datagrams;

public sealed class DontFragmentTests
{
    private const int HeadersIPv4 = 28;
    private const int HeadersIPv6 = 48;

    public static TheoryData<TestedDatagrams, string, int> Ways()
    {
        var ways = new TheoryData<TestedDatagrams, string, int>();
        foreach (var tested in (TestedDatagrams[])[TestedDatagrams.OneByOne, TestedDatagrams.ThreadPool])
        {
            ways.Add(tested, "127.0.0.1", OwnNetwork.Mtu - HeadersIPv4);
            ways.Add(tested, "::1", OwnNetwork.Mtu - HeadersIPv6);
        }

        return ways;
    }

    [OwnNetworkTheory]
    [MemberData(nameof(Ways))]
    public async Task What_its_path_does_not_take_whole_is_dropped_and_counted_and_costs_no_other_datagram(TestedDatagrams tested, string address, int longest)
    {
        var (server, peer, mtu) = await MakeAsync(tested, address, dontFragment: true);
        await using var _ = server;
        using var __ = peer;
        Assert.Equal(OwnNetwork.Mtu, mtu);
        var counters = new DatagramCounters();
        server.Start(TestedDatagramsExtensions.Echo, counters);
        var path = new DatagramPath(peer.Address);
        int[] lengths = [longest, longest + 1, longest + 1, longest + 1, 10, longest + 2, longest, longest];
        foreach (var length in lengths)
        {
            Assert.True(server.Sender.TrySend(new byte[length], path));
        }

        await server.Sender.FlushAsync().Bounded();
        foreach (var length in lengths.Where(length => length <= longest))
        {
            Assert.Equal(length, (await peer.ReceiveAsync()).Payload.Length);
        }

        Assert.Equal(4, counters.Sent);
        Assert.Equal(4, counters.GetDropped(DatagramDropReason.SendTooLarge));
        Assert.Equal(4, counters.AllDropped());
    }

    [OwnNetworkTheory]
    [MemberData(nameof(Ways))]
    public async Task What_may_be_fragmented_is(TestedDatagrams tested, string address, int longest)
    {
        foreach (var dontFragment in (bool?[])[null, false])
        {
            var (server, peer, _) = await MakeAsync(tested, address, dontFragment);
            await using var _1 = server;
            using var _2 = peer;
            var counters = new DatagramCounters();
            server.Start(TestedDatagramsExtensions.Echo, counters);
            for (var i = 0; i < 3; i++)
            {
                Assert.True(server.Sender.TrySend(new byte[2 * longest], new DatagramPath(peer.Address)));
            }

            for (var i = 0; i < 3; i++)
            {
                Assert.Equal(2 * longest, (await peer.ReceiveAsync()).Payload.Length);
            }

            Assert.Equal(0, counters.AllDropped());
        }
    }

    private static Task<(IDatagramSocket Server, Peer Peer, int? Mtu)> MakeAsync(TestedDatagrams tested, string address, bool? dontFragment) => OwnNetwork.RunAsync(() =>
    {
        var binding = tested.BindAsync(options => options.Socket.DontFragment = dontFragment, new IPEndPoint(IPAddress.Parse(address), 0));
        Assert.True(binding.IsCompletedSuccessfully);
        var server = binding.GetAwaiter().GetResult();
        var peer = new Peer(server.LocalEndPoint);
        return (server, peer, server.Sender.GetPathMtu(new DatagramPath(peer.Address)));
    });
}
