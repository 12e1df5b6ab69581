using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Server.Endpoints;

/// <summary>The url of an endpoint, read into the addresses to bind.</summary>
internal static class EndpointUrl
{
    public const string Accepted = "tcp://host:port (an IP address, * or localhost), unix:///path, unix:@name, fd://number or systemd://name";
    public const string AcceptedDatagrams = "udp://host:port (an IP address, * or localhost)";

    private const string TcpScheme = "tcp://";
    private const string UdpScheme = "udp://";
    private const string UnixScheme = "unix:";
    private const string DescriptorScheme = "fd://";
    private const string SystemdScheme = "systemd://";

    // sun_path of unix(7) without its terminating zero.
    private const int LongestUnixPath = 107;

    /// <summary>The addresses of an endpoint of connections, or what is wrong as the end of a sentence.</summary>
    public static bool TryParse(
        string url, PassedSockets passed, [NotNullWhen(true)] out IReadOnlyList<EndPoint>? addresses, [NotNullWhen(false)] out string? problem)
    {
        addresses = null;
        if (url.StartsWith(TcpScheme, StringComparison.OrdinalIgnoreCase))
        {
            return TryParseHostAndPort(TcpScheme, url[TcpScheme.Length..], out addresses, out problem);
        }

        if (url.StartsWith(UnixScheme, StringComparison.OrdinalIgnoreCase))
        {
            return TryParseUnix(url[UnixScheme.Length..], out addresses, out problem);
        }

        if (url.StartsWith(DescriptorScheme, StringComparison.OrdinalIgnoreCase))
        {
            var number = url[DescriptorScheme.Length..];
            var isNumber = int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var descriptor);
            addresses = isNumber ? [Inherited(descriptor)] : null;
            problem = isNumber ? null : $"\"{number}\" is not the number of a descriptor; use one such as fd://3";
            return isNumber;
        }

        if (url.StartsWith(SystemdScheme, StringComparison.OrdinalIgnoreCase))
        {
            var descriptors = passed.Find(url[SystemdScheme.Length..], out problem);
            addresses = problem is null ? [.. descriptors.Select(Inherited)] : null;
            return problem is null;
        }

        problem = url.StartsWith(UdpScheme, StringComparison.OrdinalIgnoreCase)
            ? $"it is a url of datagrams, and the endpoint is one of connections; use ListenUdp or UdpEndpoint in code, or {Accepted}"
            : $"it is not a url of an endpoint; use {Accepted}";
        return false;
    }

    /// <summary>The addresses of an endpoint of datagrams, or what is wrong as the end of a sentence.</summary>
    public static bool TryParseDatagrams(string url, [NotNullWhen(true)] out IReadOnlyList<EndPoint>? addresses, [NotNullWhen(false)] out string? problem)
    {
        if (url.StartsWith(UdpScheme, StringComparison.OrdinalIgnoreCase))
        {
            return TryParseHostAndPort(UdpScheme, url[UdpScheme.Length..], out addresses, out problem);
        }

        addresses = null;
        string[] ofConnections = [TcpScheme, UnixScheme, DescriptorScheme, SystemdScheme];
        problem = ofConnections.Any(scheme => url.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
            ? $"it is a url of connections, and the endpoint is one of datagrams; use Listen or Endpoint in code, or {AcceptedDatagrams}"
            : $"it is not a url of a datagram endpoint; use {AcceptedDatagrams}";
        return false;
    }

    /// <summary>An address of a datagram endpoint as the url that names it.</summary>
    public static string OfDatagrams(EndPoint address) => UdpScheme + address;

    /// <summary>An address as the url that names it.</summary>
    public static string Of(EndPoint address) => address switch
    {
        UnixDomainSocketEndPoint unix => unix.ToString() is ['@', ..] name ? UnixScheme + name : $"{UnixScheme}//{unix}",
        _ => TcpScheme + address,
    };

    private static FileHandleEndPoint Inherited(int descriptor) => new((ulong)descriptor, FileHandleType.Auto);

    private static bool TryParseHostAndPort(
        string scheme, string text, [NotNullWhen(true)] out IReadOnlyList<EndPoint>? addresses, [NotNullWhen(false)] out string? problem)
    {
        addresses = null;
        var colon = text.LastIndexOf(':');
        if (colon < 0 || text.EndsWith(']'))
        {
            problem = $"the port is missing; use {scheme}host:port";
            return false;
        }

        if (!ushort.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port))
        {
            problem = $"the port \"{text[(colon + 1)..]}\" is not a number from 0 to 65535";
            return false;
        }

        var host = text[..colon];
        if (host == "*")
        {
            addresses = [new IPEndPoint(Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any, port)];
        }
        else if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
        {
            if (port == 0)
            {
                problem = $"localhost is two addresses, which cannot share a free port; use {scheme}127.0.0.1:0 or {scheme}[::1]:0";
                return false;
            }

            addresses = Socket.OSSupportsIPv6
                ? [new IPEndPoint(IPAddress.Loopback, port), new IPEndPoint(IPAddress.IPv6Loopback, port)]
                : [new IPEndPoint(IPAddress.Loopback, port)];
        }
        else if (IsAddress(host, out var address))
        {
            addresses = [new IPEndPoint(address, port)];
        }
        else
        {
            problem = $"the host \"{host}\" is not an IP address (IPv6 in brackets), * or localhost";
            return false;
        }

        problem = null;
        return true;
    }

    private static bool IsAddress(string host, [NotNullWhen(true)] out IPAddress? address)
    {
        var bracketed = host.StartsWith('[') && host.EndsWith(']');
        return IPAddress.TryParse(bracketed ? host[1..^1] : host, out address)
            && bracketed == (address.AddressFamily == AddressFamily.InterNetworkV6);
    }

    private static bool TryParseUnix(string text, out IReadOnlyList<EndPoint>? addresses, [NotNullWhen(false)] out string? problem)
    {
        addresses = null;
        var isAbstract = text.StartsWith('@');
        if (!isAbstract && !text.StartsWith("///", StringComparison.Ordinal))
        {
            problem = "it is neither unix:///path, with an absolute path, nor unix:@name";
            return false;
        }

        var path = isAbstract ? "\0" + text[1..] : text[2..];
        if (path.Length == 1)
        {
            problem = "the path is empty; use unix:///path or unix:@name";
            return false;
        }

        if (System.Text.Encoding.UTF8.GetByteCount(path) > LongestUnixPath)
        {
            problem = $"the path is longer than the {LongestUnixPath} bytes that a Unix domain socket takes; use a shorter one";
            return false;
        }

        if (isAbstract && !OperatingSystem.IsLinux())
        {
            problem = "abstract names exist on Linux only; use unix:///path";
            return false;
        }

        addresses = [new UnixDomainSocketEndPoint(path)];
        problem = null;
        return true;
    }
}
