using System.Net;

namespace Peregrine.Features;

/// <summary>
/// What the PROXY protocol header of a connection said (HAProxy's proxy-protocol.txt). The connection's own endpoints are the proxied ones already,
/// where the header has any; here are the rest of it, and the endpoints of the connection itself, whose peer is the proxy.
/// </summary>
/// <remarks>
/// It lasts as long as the connection, and is what the proxy says: as true as the proxy is trusted. Values are read when they are asked for; names
/// are decoded as UTF-8, with U+FFFD for what is none. Safe to use from any thread.
/// </remarks>
public interface IProxyProtocolFeature
{
    /// <summary>The version of the header: 1 is a line of text, 2 is binary.</summary>
    int Version { get; }

    /// <summary>Whether the connection is relayed, or one that the proxy made by itself, as for a health check. Version 1 knows only the former.</summary>
    ProxyProtocolCommand Command { get; }

    /// <summary>The family of the proxied addresses; unspecified for a header without any (LOCAL, UNSPEC, UNKNOWN).</summary>
    ProxyProtocolAddressFamily AddressFamily { get; }

    /// <summary>The transport of the proxied connection; unspecified as above.</summary>
    ProxyProtocolTransport Transport { get; }

    /// <summary>Where the client connected from; null for a header without addresses. A Unix domain socket that has no name has an empty path.</summary>
    EndPoint? SourceEndPoint { get; }

    /// <summary>Where the client connected to; as above.</summary>
    EndPoint? DestinationEndPoint { get; }

    /// <summary>The other end of the connection itself: the proxy.</summary>
    EndPoint? ProxyRemoteEndPoint { get; }

    /// <summary>This end of the connection itself: where the proxy connected to.</summary>
    EndPoint? ProxyLocalEndPoint { get; }

    /// <summary>Everything that follows the addresses of a version 2 header, in its order, known or not; empty for others, and for LOCAL.</summary>
    ProxyProtocolTlvCollection Tlvs { get; }

    /// <summary>The header had a checksum, and it was right (§2.2.3).</summary>
    bool IsChecksummed { get; }

    /// <summary>The application's protocol as ALPN names it (§2.2.1), such as <c>h2</c>; empty if it is not there.</summary>
    ReadOnlyMemory<byte> ApplicationProtocol { get; }

    /// <summary>The host name that the client asked for, as by TLS's SNI (§2.2.2).</summary>
    string? Authority { get; }

    /// <summary>What the proxy calls the connection (§2.2.5), to 128 bytes; empty if it is not there.</summary>
    ReadOnlyMemory<byte> UniqueId { get; }

    /// <summary>The TLS between the client and the proxy (§2.2.6).</summary>
    ProxyProtocolTls? Tls { get; }

    /// <summary>The network namespace of the client's connection (§2.2.7).</summary>
    string? NetworkNamespace { get; }

    /// <summary>The VPC endpoint that the client came through, at a load balancer of AWS: TLV 0xEA, subtype 1.</summary>
    string? AwsVpcEndpointId { get; }

    /// <summary>The private endpoint that the client came through, at Azure Private Link: TLV 0xEE, subtype 1, little-endian.</summary>
    uint? AzurePrivateEndpointLinkId { get; }

    /// <summary>The connection id of Private Service Connect, at Google Cloud: TLV 0xE0, 8 bytes, big-endian.</summary>
    ulong? GooglePscConnectionId { get; }
}
