using System.Net;
using System.Net.Sockets;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>Addresses of Unix domain sockets, 108 bytes each (proxy-protocol.txt §2.2; unix(7)).</summary>
internal static class UnixAddress
{
    private const int PathOffset = 2;

    // sizeof(sockaddr_un.sun_path): what the system's own addresses have. A path that is longer there is cut.
    private static readonly int s_longest = OperatingSystem.IsLinux() || OperatingSystem.IsWindows() ? 108 : 104;

    private static readonly UnixDomainSocketEndPoint s_factory = new("/");

    /// <summary>
    /// A path ends at its first zero; the name of an abstract socket begins with one, and those at its end are filling. All zeroes are a socket without a
    /// name, as most clients are: an empty path.
    /// </summary>
    public static EndPoint ToEndPoint(ReadOnlySpan<byte> address)
    {
        var name = address[0] != 0 ? (address.IndexOf((byte)0) is >= 0 and var end ? address[..end] : address) : address.TrimEnd((byte)0);

        name = name[..Math.Min(name.Length, s_longest)];

        // Not from text: a path is any bytes, and may be of the full length.
        var raw = new SocketAddress(AddressFamily.Unix, PathOffset + name.Length);
        name.CopyTo(raw.Buffer.Span[PathOffset..]);
        return s_factory.Create(raw);
    }

    /// <summary>The bytes of a name, filled up with zeroes.</summary>
    public static void Write(UnixDomainSocketEndPoint endPoint, Span<byte> address)
    {
        var raw = endPoint.Serialize();
        var name = raw.Buffer.Span[PathOffset..raw.Size];
        address.Clear();
        name[..Math.Min(name.Length, address.Length)].CopyTo(address);
    }
}
