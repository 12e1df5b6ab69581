using System.Net;

namespace Peregrine;

/// <summary>Options of the sockets of a datagram endpoint.</summary>
/// <remarks>An option that is set and that the platform or the address does not have fails the start by its name; so does one that the kernel refuses.</remarks>
public sealed class DatagramSocketOptions
{
    /// <summary>
    /// The size of the kernel's receive buffer (SO_RCVBUF, socket(7)), in which datagrams wait that handlers have not taken. Default 4,194,304 bytes; from 1 to
    /// 1,073,741,823. The kernel lowers it to <c>net.core.rmem_max</c>: what is granted is logged. Datagrams that find it full are lost, and counted.
    /// </summary>
    /// <remarks>The kernel counts its own structures, too (socket(7)): small datagrams fill it long before their payloads would.</remarks>
    public int ReceiveBufferSizeInBytes { get; set; } = 4 << 20;

    /// <summary>
    /// The size of the kernel's send buffer (SO_SNDBUF, socket(7)). Default <see langword="null"/>: the system's (<c>net.core.wmem_default</c>). From 1 to 1,073,741,823;
    /// the kernel lowers it to <c>net.core.wmem_max</c>, which is logged.
    /// </summary>
    public int? SendBufferSizeInBytes { get; set; }

    /// <summary>
    /// Whether an endpoint on every address (<c>*</c>, [::]) leaves IPv4 alone (IPV6_V6ONLY, ipv6(7)). Default <see langword="false"/>: it takes both.
    /// </summary>
    public bool IPv6Only { get; set; }

    /// <summary>The network interface to which packets are bound (SO_BINDTODEVICE, socket(7)), for example <c>eth0</c>. Default <see langword="null"/>: any. Linux only.</summary>
    public string? Device { get; set; }

    /// <summary>
    /// The differentiated services code point of what is sent (RFC 2474; IP_TOS, ip(7), and IPV6_TCLASS, ipv6(7)), unless a datagram has its own. Default
    /// <see langword="null"/>: the system's, which is 0. From 0 to 63.
    /// </summary>
    public int? Dscp { get; set; }

    /// <summary>The hops that what is sent to a single address may take (IP_TTL, IPV6_UNICAST_HOPS). Default <see langword="null"/>: the system's, usually 64. From 1 to 255.</summary>
    public int? TimeToLive { get; set; }

    /// <summary>Whether it may send to broadcast addresses (SO_BROADCAST, socket(7)). Default <see langword="false"/>.</summary>
    public bool Broadcast { get; set; }

    /// <summary>
    /// Whether <see cref="Datagram.Marks"/> are received (IP_RECVTOS, IP_RECVTTL, ip(7); IPV6_RECVTCLASS, IPV6_RECVHOPLIMIT, ipv6(7)). Default <see langword="false"/>: they cost
    /// time for each datagram. Linux only.
    /// </summary>
    public bool ReceiveMarks { get; set; }

    /// <summary>
    /// Whether what is sent may be fragmented (IP_MTU_DISCOVER, ip(7)). Default <see langword="null"/>: the system's, on Linux as long as the path takes it whole.
    /// <see langword="true"/> never: a datagram that is too large for the path is dropped, and counted (<see cref="DatagramDropReason.SendTooLarge"/>).
    /// </summary>
    public bool? DontFragment { get; set; }

    /// <summary>Multicast: the groups to receive, and how to send to groups.</summary>
    public MulticastOptions Multicast { get; } = new();
}

/// <summary>Multicast on a datagram endpoint (RFC 1112, RFC 3678).</summary>
public sealed class MulticastOptions
{
    /// <summary>The groups that are joined at the start. Default: none.</summary>
    public IList<MulticastGroup> Groups { get; } = [];

    /// <summary>The interface by which datagrams to groups leave: its name, or the IP address of it. Default <see langword="null"/>: by the routes.</summary>
    public string? Interface { get; set; }

    /// <summary>Whether this machine gets what it sends to groups that it has joined (IP_MULTICAST_LOOP, ip(7)). Default <see langword="true"/>.</summary>
    public bool Loopback { get; set; } = true;

    /// <summary>The hops that datagrams to groups may take (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS). Default 1, the own network; from 0, the own machine, to 255.</summary>
    public int TimeToLive { get; set; } = 1;
}

/// <summary>A multicast group to join.</summary>
public sealed class MulticastGroup
{
    /// <summary>The group's address: 224.0.0.0/4 or ff00::/8. Must be set.</summary>
    public IPAddress? Address { get; set; }

    /// <summary>The only sender whose datagrams are wanted (source-specific multicast, RFC 4607). Default <see langword="null"/>: every sender.</summary>
    public IPAddress? Source { get; set; }

    /// <summary>The interface on which the group is joined: its name, or the IP address of it. Default <see langword="null"/>: by the routes.</summary>
    public string? Interface { get; set; }
}
