using System.Net.Sockets;

namespace Peregrine.Sockets.Linux;

/// <summary>A socket option for which the runtime has no name, by the numbers of asm-generic/socket.h, linux/tcp.h and linux/in6.h.</summary>
internal readonly record struct RawOption(int Level, int Name)
{
    private const int SolSocket = 1;
    private const int IpProtoTcp = 6;
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

    public void Set(Socket socket, int value) => socket.SetRawSocketOption(Level, Name, BitConverter.GetBytes(value));

    public void Set(Socket socket, ReadOnlySpan<byte> value) => socket.SetRawSocketOption(Level, Name, value);

    public int Get(Socket socket)
    {
        Span<byte> value = stackalloc byte[sizeof(int)];
        socket.GetRawSocketOption(Level, Name, value);
        return BitConverter.ToInt32(value);
    }
}
