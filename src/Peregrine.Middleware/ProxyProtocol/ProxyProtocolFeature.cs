using System.Buffers.Binary;
using System.Net;
using System.Text;
using Peregrine.Features;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>The header of a connection. Its TLVs are one block of bytes, read when somebody asks.</summary>
internal sealed class ProxyProtocolFeature(ParsedHeader header, EndPoint? proxyRemoteEndPoint, EndPoint? proxyLocalEndPoint) : IProxyProtocolFeature
{
    private const byte VpcEndpointId = 1;
    private const byte PrivateEndpointLinkId = 1;

    public int Version => header.Version;

    public ProxyProtocolCommand Command => header.Command;

    public ProxyProtocolAddressFamily AddressFamily => header.AddressFamily;

    public ProxyProtocolTransport Transport => header.Transport;

    public EndPoint? SourceEndPoint => header.Source;

    public EndPoint? DestinationEndPoint => header.Destination;

    public EndPoint? ProxyRemoteEndPoint => proxyRemoteEndPoint;

    public EndPoint? ProxyLocalEndPoint => proxyLocalEndPoint;

    public ProxyProtocolTlvCollection Tlvs { get; } =
        ProxyProtocolTlvCollection.TryCreate(header.Tlvs, out var tlvs) ? tlvs : ProxyProtocolTlvCollection.Empty;

    public bool IsChecksummed => header.IsChecksummed;

    public ReadOnlyMemory<byte> ApplicationProtocol => ValueOf(ProxyProtocolTlvType.Alpn);

    public string? Authority => TextOf(Tlvs, ProxyProtocolTlvType.Authority);

    public ReadOnlyMemory<byte> UniqueId => ValueOf(ProxyProtocolTlvType.UniqueId);

    public ProxyProtocolTls? Tls
    {
        get
        {
            var value = ValueOf(ProxyProtocolTlvType.Ssl);
            return value.Length >= BinaryHeader.TlsStart && ProxyProtocolTlvCollection.TryCreate(value[BinaryHeader.TlsStart..], out var inside)
                ? ReadTls(value.Span, inside)
                : null;
        }
    }

    public string? NetworkNamespace => TextOf(Tlvs, ProxyProtocolTlvType.NetworkNamespace);

    public string? AwsVpcEndpointId =>
        ValueOf(ProxyProtocolTlvType.Aws).Span is [VpcEndpointId, .. var id] ? Encoding.UTF8.GetString(id) : null;

    public uint? AzurePrivateEndpointLinkId =>
        ValueOf(ProxyProtocolTlvType.Azure).Span is [PrivateEndpointLinkId, .. var id] && id.Length == sizeof(uint)
            ? BinaryPrimitives.ReadUInt32LittleEndian(id)
            : null;

    public ulong? GooglePscConnectionId =>
        ValueOf(ProxyProtocolTlvType.Google).Span is { Length: sizeof(ulong) } id ? BinaryPrimitives.ReadUInt64BigEndian(id) : null;

    private ReadOnlyMemory<byte> ValueOf(byte type) => Tlvs.TryGet(type, out var value) ? value : default;

    private static string? TextOf(ProxyProtocolTlvCollection tlvs, byte type) => tlvs.TryGet(type, out var value) ? Encoding.UTF8.GetString(value.Span) : null;

    private static ProxyProtocolTls ReadTls(ReadOnlySpan<byte> value, ProxyProtocolTlvCollection inside) => new()
    {
        Client = (ProxyProtocolTlsClient)value[0],
        VerifyResult = BinaryPrimitives.ReadUInt32BigEndian(value[1..]),
        Version = TextOf(inside, ProxyProtocolTlvType.SslVersion),
        CommonName = TextOf(inside, ProxyProtocolTlvType.SslCommonName),
        Cipher = TextOf(inside, ProxyProtocolTlvType.SslCipher),
        SignatureAlgorithm = TextOf(inside, ProxyProtocolTlvType.SslSignatureAlgorithm),
        KeyAlgorithm = TextOf(inside, ProxyProtocolTlvType.SslKeyAlgorithm),
        Group = TextOf(inside, ProxyProtocolTlvType.SslGroup),
        SignatureScheme = TextOf(inside, ProxyProtocolTlvType.SslSignatureScheme),
        ClientCertificate = inside.TryGet(ProxyProtocolTlvType.SslClientCertificate, out var certificate) ? certificate : default,
    };
}
