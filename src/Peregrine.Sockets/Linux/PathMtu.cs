using System.Net.Sockets;

namespace Peregrine.Sockets.Linux;

/// <summary>IP_MTU (ip(7)) and IPV6_MTU (ipv6(7)), which the kernel tells of connected sockets.</summary>
internal static class PathMtu
{
    private static readonly RawOption IPv4 = new(0, 14); // IP_MTU
    private static readonly RawOption IPv6 = new(41, 24); // IPV6_MTU

    /// <summary>Of a socket that is made for the question.</summary>
    public static int? Ask(in DatagramPath path)
    {
        var remote = path.RemoteAddress;
        try
        {
            using var socket = new Socket(remote.IsIPv4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp);
            if (!path.LocalAddress.IsUnspecified && path.LocalAddress.IsIPv4 == remote.IsIPv4)
            {
                socket.Bind(path.LocalAddress.WithPort(0).ToIPEndPoint());
            }

            socket.Connect(remote.ToIPEndPoint());
            return AskConnected(socket, remote.IsIPv4);
        }
        catch (SocketException)
        {
            return null; // No way there, or descriptors are short.
        }
    }

    /// <summary>Of a connected one.</summary>
    public static int? AskConnected(Socket socket, bool isIPv4)
    {
        try
        {
            return (isIPv4 ? IPv4 : IPv6).Get(socket);
        }
        catch (SocketException)
        {
            return null;
        }
    }
}
