namespace Peregrine;

/// <summary>
/// Whom the limits per address count as one: an IPv4 address, or an IPv6 network of 64 bits, of which one host has as many addresses as it
/// likes (RFC 4291 §2.5.1).
/// </summary>
internal readonly record struct PeerNetwork
{
    // IPv4 addresses lie where no peer's network is: ff00::/8 is multicast (RFC 4291 §2.7).
    private const ulong IPv4 = 0xFFFF_FFFF_0000_0000;

    private readonly ulong _bits;

    private PeerNetwork(ulong bits) => _bits = bits;

    /// <summary>All of it, for a hash with a seed: that of a record lets whoever forges addresses choose networks that collide.</summary>
    public ulong Bits => _bits;

    /// <summary>It is not counted: it is exempt, or has no address. (The number is that of 255.255.255.255, which no peer has.)</summary>
    public static PeerNetwork None { get; } = new(ulong.MaxValue);

    public static PeerNetwork Of(PeerAddress address) => new(address.IsIPv6 ? (ulong)(address.Bits >> 64) : IPv4 | (uint)address.Bits);
}
