using System.Net;
using Peregrine.Features;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>An accepted header, with its TLVs copied once.</summary>
/// <param name="Version">1 or 2.</param>
/// <param name="Command">LOCAL or PROXY.</param>
/// <param name="AddressFamily">Unspecified for one without addresses.</param>
/// <param name="Transport">As above.</param>
/// <param name="Source">Null for one without addresses.</param>
/// <param name="Destination">As above.</param>
/// <param name="Tlvs">Whole ones.</param>
/// <param name="IsChecksummed">It had a checksum, which was right.</param>
internal sealed record ParsedHeader(
    int Version, ProxyProtocolCommand Command, ProxyProtocolAddressFamily AddressFamily, ProxyProtocolTransport Transport, EndPoint? Source,
    EndPoint? Destination, byte[] Tlvs, bool IsChecksummed)
{
    private static readonly ParsedHeader s_unknown = WithoutAddresses(1, []);
    private static readonly ParsedHeader s_local = s_unknown with { Version = 2, Command = ProxyProtocolCommand.Local };

    /// <summary>UNKNOWN (§2.1).</summary>
    public static ParsedHeader Unknown => s_unknown;

    /// <summary>LOCAL: whatever else the header has is discarded (§2.2).</summary>
    public static ParsedHeader Local => s_local;

    /// <summary>For a client whose addresses the header does not say.</summary>
    public static ParsedHeader WithoutAddresses(int version, byte[] tlvs, bool isChecksummed = false) => new(
        version, ProxyProtocolCommand.Proxy, ProxyProtocolAddressFamily.Unspecified, ProxyProtocolTransport.Unspecified, null, null, tlvs, isChecksummed);
}
