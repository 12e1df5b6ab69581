using System.Net;
using Peregrine.Server.Admission;

namespace Peregrine.Server.Tests.Admission;

public sealed class NetworkSetTests
{
    [Theory]
    [InlineData("10.0.0.0/8", "10.255.1.2", true)]
    [InlineData("10.0.0.0/8", "11.0.0.0", false)]
    [InlineData("10.0.0.0/8", "::ffff:10.1.2.3", true)]
    [InlineData("::ffff:10.0.0.0/104", "10.1.2.3", true)]
    [InlineData("::ffff:10.0.0.0/104", "11.1.2.3", false)]
    [InlineData("0.0.0.0/0", "203.0.113.7", true)]
    [InlineData("0.0.0.0/0", "2001:db8::1", false)]
    [InlineData("::/0", "2001:db8::1", true)]
    [InlineData("::/0", "203.0.113.7", false)]
    [InlineData("2001:db8:1::/48", "2001:db8:1:ffff::1", true)]
    [InlineData("2001:db8:1::/48", "2001:db8:2::1", false)]
    [InlineData("203.0.113.7/32", "203.0.113.7", true)]
    [InlineData("203.0.113.7/32", "203.0.113.8", false)]
    [InlineData("2001:db8::7/128", "2001:db8::7", true)]
    [InlineData("2001:db8::7/128", "2001:db8::8", false)]
    public void A_network_contains_its_addresses(string network, string address, bool expected) =>
        Assert.Equal(expected, new NetworkSet([IPNetwork.Parse(network)]).Contains(PeerAddress.Of(IPAddress.Parse(address))));

    [Fact]
    public void Ten_thousand_networks_agree_with_the_runtimes_own()
    {
        var random = new Random(1);
        var networks = Enumerable.Range(0, 10_000).Select(_ => Random(random)).ToList();
        var set = new NetworkSet(networks);
        for (var i = 0; i < 2_000; i++)
        {
            var bytes = new byte[random.Next(2) == 0 ? 4 : 16];
            random.NextBytes(bytes);

            // Half of them inside one of the networks.
            var inside = networks[random.Next(networks.Count)];
            var address = random.Next(2) == 0 ? inside.BaseAddress : new IPAddress(bytes);
            Assert.Equal(networks.Exists(network => network.Contains(address)), set.Contains(PeerAddress.Of(address)));
        }
    }

    [Theory]
    [InlineData("203.0.113.7", "::ffff:203.0.113.7", true)]
    [InlineData("203.0.113.7", "203.0.113.8", false)]
    [InlineData("2001:db8::1", "2001:db8::ffff:0:0:2", true)]
    [InlineData("2001:db8::1", "2001:db8:0:1::1", false)]
    [InlineData("::1", "0.0.0.1", false)]
    [InlineData("0.0.0.0", "::", false)]
    public void The_limits_per_address_count_hosts(string one, string other, bool isSame)
    {
        Assert.Equal(isSame, Of(one) == Of(other));
        Assert.NotEqual(PeerNetwork.None, Of(one));

        static PeerNetwork Of(string address) => PeerNetwork.Of(PeerAddress.Of(IPAddress.Parse(address)));
    }

    private static IPNetwork Random(Random random)
    {
        var bytes = new byte[random.Next(2) == 0 ? 4 : 16];
        random.NextBytes(bytes);
        var length = random.Next(8, (bytes.Length * 8) + 1);
        for (var bit = length; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        return new IPNetwork(new IPAddress(bytes), length);
    }
}
