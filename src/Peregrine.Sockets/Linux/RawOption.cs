using System.Net.Sockets;

namespace Peregrine.Sockets.Linux;

/// <summary>A socket option for which the runtime has no name, by the numbers of asm-generic/socket.h, linux/tcp.h, linux/in.h, linux/in6.h and linux/udp.h.</summary>
internal readonly record struct RawOption(int Level, int Name)
{
    private const int SolIP = 0;
    private const int SolSocket = 1;
    private const int IpProtoTcp = 6;
    private const int IpProtoUdp = 17;
    private const int IpProtoIPv6 = 41;

    /// <summary>SO_REUSEPORT (socket(7)): several sockets of one user share a port.</summary>
    public static readonly RawOption ReusePort = new(SolSocket, 15);

    /// <summary>SO_ACCEPTCONN (socket(7)): whether it listens; can only be asked.</summary>
    public static readonly RawOption AcceptsConnections = new(SolSocket, 30);

    /// <summary>SO_BINDTODEVICE (socket(7)): the name of an interface.</summary>
    public static readonly RawOption BindToDevice = new(SolSocket, 25);

    /// <summary>TCP_USER_TIMEOUT (tcp(7)), in milliseconds.</summary>
    public static readonly RawOption UserTimeout = new(IpProtoTcp, 18);

    /// <summary>TCP_FASTOPEN (tcp(7)): the length of a listener's queue.</summary>
    public static readonly RawOption FastOpen = new(IpProtoTcp, 23);

    /// <summary>TCP_NOTSENT_LOWAT (tcp(7)), in bytes.</summary>
    public static readonly RawOption UnsentLowWatermark = new(IpProtoTcp, 25);

    /// <summary>IPV6_TCLASS (ipv6(7)): the traffic class, of which the upper six bits are the DSCP.</summary>
    public static readonly RawOption TrafficClass = new(IpProtoIPv6, 67);

    /// <summary>IP_PKTINFO (ip(7)): to which address, and by which interface, a datagram came.</summary>
    public static readonly RawOption PacketInfo = new(SolIP, 8);

    /// <summary>IPV6_RECVPKTINFO (ipv6(7)).</summary>
    public static readonly RawOption PacketInfoIPv6 = new(IpProtoIPv6, 49);

    /// <summary>IP_RECVTOS (ip(7)).</summary>
    public static readonly RawOption ReceiveTypeOfService = new(SolIP, 13);

    /// <summary>IP_RECVTTL (ip(7)).</summary>
    public static readonly RawOption ReceiveTimeToLive = new(SolIP, 12);

    /// <summary>IPV6_RECVTCLASS (ipv6(7)).</summary>
    public static readonly RawOption ReceiveTrafficClass = new(IpProtoIPv6, 66);

    /// <summary>IPV6_RECVHOPLIMIT (ipv6(7)).</summary>
    public static readonly RawOption ReceiveHopLimit = new(IpProtoIPv6, 51);

    /// <summary>IP_TTL (ip(7)).</summary>
    public static readonly RawOption TimeToLive = new(SolIP, 2);

    /// <summary>IPV6_UNICAST_HOPS (ipv6(7)).</summary>
    public static readonly RawOption HopLimit = new(IpProtoIPv6, 16);

    /// <summary>IP_MTU_DISCOVER (ip(7)).</summary>
    public static readonly RawOption MtuDiscover = new(SolIP, 10);

    /// <summary>IPV6_MTU_DISCOVER (ipv6(7)).</summary>
    public static readonly RawOption MtuDiscoverIPv6 = new(IpProtoIPv6, 23);

    /// <summary>IP_MULTICAST_ALL (ip(7)): whether it receives what is sent to groups that others have joined.</summary>
    public static readonly RawOption AllGroups = new(SolIP, 49);

    /// <summary>IPV6_MULTICAST_ALL (ipv6(7)).</summary>
    public static readonly RawOption AllGroupsIPv6 = new(IpProtoIPv6, 29);

    /// <summary>UDP_SEGMENT (udp(7)).</summary>
    public static readonly RawOption Segment = new(IpProtoUdp, 103);

    /// <summary>UDP_GRO (udp(7)).</summary>
    public static readonly RawOption Coalesce = new(IpProtoUdp, 104);

    /// <summary>MCAST_JOIN_SOURCE_GROUP (RFC 3678 §5.2): one for both families.</summary>
    public static RawOption JoinSourceGroup(bool isIPv4) => new(isIPv4 ? SolIP : IpProtoIPv6, 46);

    public void Set(Socket socket, int value) => socket.SetRawSocketOption(Level, Name, BitConverter.GetBytes(value));

    public void Set(Socket socket, ReadOnlySpan<byte> value) => socket.SetRawSocketOption(Level, Name, value);

    public int Get(Socket socket)
    {
        Span<byte> value = stackalloc byte[sizeof(int)];
        socket.GetRawSocketOption(Level, Name, value);
        return BitConverter.ToInt32(value);
    }
}
