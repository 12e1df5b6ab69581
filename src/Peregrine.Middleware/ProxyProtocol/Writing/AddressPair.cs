using System.Net;
using System.Net.Sockets;
using Peregrine.Features;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>Two addresses as a header has them: of one family.</summary>
/// <param name="Family">Unspecified if they have none in common.</param>
/// <param name="Source">IPv4 or IPv6, and as <paramref name="Family"/> says; null for other families.</param>
/// <param name="Destination">As above.</param>
internal readonly record struct AddressPair(ProxyProtocolAddressFamily Family, IPAddress? Source, IPAddress? Destination)
{
    public static AddressPair Of(EndPoint? source, EndPoint? destination)
    {
        if (source is UnixDomainSocketEndPoint && destination is UnixDomainSocketEndPoint)
        {
            return new(ProxyProtocolAddressFamily.Unix, null, null);
        }

        if (source is not IPEndPoint { Address: var from } || destination is not IPEndPoint { Address: var to })
        {
            return default;
        }

        return IsIPv4(from) && IsIPv4(to)
            ? new(ProxyProtocolAddressFamily.IPv4, from.MapToIPv4(), to.MapToIPv4())
            : new(ProxyProtocolAddressFamily.IPv6, from.MapToIPv6(), to.MapToIPv6());
    }

    private static bool IsIPv4(IPAddress address) => address.AddressFamily == AddressFamily.InterNetwork || address.IsIPv4MappedToIPv6;
}
