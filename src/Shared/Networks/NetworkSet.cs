using System.Net;

namespace Peregrine;

/// <summary>Networks, in which an address is found by one look for each length of prefix, however many networks there are. Immutable.</summary>
internal sealed class NetworkSet
{
    private readonly (bool IsIPv6, int Length, HashSet<UInt128> Prefixes)[] _byLength;

    public NetworkSet(IEnumerable<IPNetwork> networks) =>
        _byLength =
        [
            .. networks.Select(Normalize)
                .GroupBy(
                    network => (network.Address.IsIPv6, network.Length),
                    (key, those) => (key.IsIPv6, key.Length, those.Select(network => network.Address.Prefix(network.Length)).ToHashSet())),
        ];

    public bool IsEmpty => _byLength.Length == 0;

    public bool Contains(PeerAddress address)
    {
        foreach (var (isIPv6, length, prefixes) in _byLength)
        {
            if (isIPv6 == address.IsIPv6 && prefixes.Contains(address.Prefix(length)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A network of IPv4 addresses mapped into IPv6 is that of the IPv4 addresses.</summary>
    private static (PeerAddress Address, int Length) Normalize(IPNetwork network)
    {
        var address = PeerAddress.Of(network.BaseAddress);
        var isMapped = network.BaseAddress.IsIPv4MappedToIPv6;
        return isMapped && network.PrefixLength >= PeerAddress.MappedPrefix ? (address, network.PrefixLength - PeerAddress.MappedPrefix)
            : isMapped ? (new PeerAddress((UInt128)0xFFFF << 32, IsIPv6: true), network.PrefixLength)
            : (address, network.PrefixLength);
    }
}
