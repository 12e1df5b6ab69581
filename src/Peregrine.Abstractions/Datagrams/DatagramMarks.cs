namespace Peregrine;

/// <summary>What the IP header of a datagram says beside its addresses. To send, what is null is that of the socket.</summary>
/// <param name="Dscp">The differentiated services code point (RFC 2474): from 0 to 63.</param>
/// <param name="Ecn">Explicit congestion notification (RFC 3168).</param>
/// <param name="TimeToLive">The hops that are left to it (IPv4's TTL, IPv6's hop limit): from 1 to 255.</param>
public readonly record struct DatagramMarks(byte? Dscp = null, EcnCodepoint? Ecn = null, byte? TimeToLive = null);

/// <summary>Explicit congestion notification, by the values of RFC 3168 §5.</summary>
public enum EcnCodepoint : byte
{
    /// <summary>The transport does not take part.</summary>
    NotCapable = 0,

    /// <summary>ECT(1).</summary>
    Capable1 = 1,

    /// <summary>ECT(0).</summary>
    Capable0 = 2,

    /// <summary>A router on the way was congested.</summary>
    CongestionExperienced = 3,
}
