using System.Buffers;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware.ProxyProtocol;

namespace Peregrine.Middleware;

/// <summary>
/// A header to send (proxy-protocol.txt §2): by <see cref="ProxyProtocolExtensions.UseProxyProtocolSender{TBuilder}(TBuilder, Func{ConnectionContext, ProxyProtocolHeader})"/>,
/// or by a proxy of one's own, which writes it before anything else. Immutable, so that it can be sent on many connections.
/// </summary>
public sealed class ProxyProtocolHeader
{
    /// <summary>2, the default, or 1, which has neither TLVs nor a checksum, and says UNKNOWN for what is not TCP over IPv4 or IPv6.</summary>
    public int Version { get; init; } = 2;

    /// <summary>
    /// LOCAL for a connection that relays nobody, such as a health check: it has no addresses then. Default PROXY. Version 1 cannot say LOCAL; give it the
    /// connection's own addresses (§2.1).
    /// </summary>
    public ProxyProtocolCommand Command { get; init; } = ProxyProtocolCommand.Proxy;

    /// <summary>
    /// Where the client connected from. An <see cref="IPEndPoint"/> or a <see cref="System.Net.Sockets.UnixDomainSocketEndPoint"/>; with anything else, null
    /// included, the header says that the addresses are unknown (UNSPEC, UNKNOWN).
    /// </summary>
    /// <remarks>
    /// IPv4 addresses that are mapped into IPv6 on both sides, as on a listener of both families, are sent as IPv4; an IPv4 address beside an IPv6 address is sent
    /// mapped. A scope is not sent.
    /// </remarks>
    public EndPoint? Source { get; init; }

    /// <summary>Where the client connected to; as above.</summary>
    public EndPoint? Destination { get; init; }

    /// <summary>The transport of the client's connection. Default <see cref="ProxyProtocolTransport.Stream"/>.</summary>
    public ProxyProtocolTransport Transport { get; init; } = ProxyProtocolTransport.Stream;

    /// <summary>The application's protocol, as ALPN names it (§2.2.1). Default empty, which sends none.</summary>
    public ReadOnlyMemory<byte> ApplicationProtocol { get; init; }

    /// <summary>The host name that the client asked for (§2.2.2).</summary>
    public string? Authority { get; init; }

    /// <summary>What this proxy calls the connection (§2.2.5), to 128 bytes. Default empty, which sends none.</summary>
    public ReadOnlyMemory<byte> UniqueId { get; init; }

    /// <summary>The TLS between the client and this proxy (§2.2.6).</summary>
    public ProxyProtocolTls? Tls { get; init; }

    /// <summary>The network namespace of the client's connection (§2.2.7).</summary>
    public string? NetworkNamespace { get; init; }

    /// <summary>TLVs that are sent behind those above, as they are: of types 0xE0 to 0xEF for those of an application (§2.2.8). Default none.</summary>
    public IReadOnlyList<ProxyProtocolTlv> Tlvs { get; init; } = [];

    /// <summary>Whether the header ends with its CRC32c (§2.2.3). Default false. Not every receiver looks at it.</summary>
    public bool HasChecksum { get; init; }

    /// <summary>The header of a connection that relays nobody, such as a health check: version 2, LOCAL.</summary>
    public static ProxyProtocolHeader Local { get; } = new() { Command = ProxyProtocolCommand.Local };

    /// <summary>The header of version 2 for a connection that relays nobody, with its own addresses: from this end to the other.</summary>
    /// <param name="connection">The connection that the header is sent on.</param>
    public static ProxyProtocolHeader ForConnection(ConnectionContext connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        return new() { Source = connection.LocalEndPoint, Destination = connection.RemoteEndPoint };
    }

    /// <summary>The header of version 2 for a connection that relays a client, with the addresses of the client's connection.</summary>
    /// <param name="client">The connection that the client made, to this proxy.</param>
    public static ProxyProtocolHeader ForClientOf(ConnectionContext client)
    {
        ArgumentNullException.ThrowIfNull(client);
        return new() { Source = client.RemoteEndPoint, Destination = client.LocalEndPoint };
    }

    /// <summary>Writes a header of two addresses and nothing else.</summary>
    /// <param name="output">Where to; nothing must have been sent before.</param>
    /// <param name="source">See <see cref="Source"/>.</param>
    /// <param name="destination">See <see cref="Destination"/>.</param>
    /// <param name="version">See <see cref="Version"/>.</param>
    /// <exception cref="InvalidOperationException">There is no such version.</exception>
    public static void Write(IBufferWriter<byte> output, EndPoint? source, EndPoint? destination, int version = 2) =>
        new ProxyProtocolHeader { Version = version, Source = source, Destination = destination }.Write(output);

    /// <summary>Writes the header, and does not flush it: the first flush is to have all of it, and may have more (§2).</summary>
    /// <param name="output">Where to; nothing must have been sent before.</param>
    /// <exception cref="InvalidOperationException">
    /// The header cannot be written: there is no such version, it has TLVs in version 1, a unique id of more than 128 bytes, or more than 65,535 bytes behind
    /// its start.
    /// </exception>
    public void Write(IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        switch (Version)
        {
            case 1:
                TextHeaderWriter.Write(this, output);
                break;
            case 2:
                BinaryHeaderWriter.Write(this, output);
                break;
            default:
                throw new InvalidOperationException($"The PROXY protocol has versions 1 and 2; {Version} is none.");
        }
    }

    internal bool HasTlvs => !ApplicationProtocol.IsEmpty || Authority is not null || !UniqueId.IsEmpty || Tls is not null || NetworkNamespace is not null
        || Tlvs.Count > 0 || HasChecksum;
}
