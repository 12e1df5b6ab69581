namespace Peregrine.Features;

/// <summary>Why a proxy made a connection (proxy-protocol.txt §2.2). The values are those of the header.</summary>
public enum ProxyProtocolCommand
{
    /// <summary>For itself, such as a health check: the connection's endpoints are the proxy and this server.</summary>
    Local = 0,

    /// <summary>For a client.</summary>
    Proxy = 1,
}

/// <summary>The family of the addresses in a PROXY protocol header. The values are those of the header.</summary>
public enum ProxyProtocolAddressFamily
{
    /// <summary>None, or one that the protocol does not know.</summary>
    Unspecified = 0,

    /// <summary>IPv4: 4 bytes and a port.</summary>
    IPv4 = 1,

    /// <summary>IPv6: 16 bytes and a port.</summary>
    IPv6 = 2,

    /// <summary>Unix domain sockets: 108 bytes, a path or an abstract name.</summary>
    Unix = 3,
}

/// <summary>The transport that a PROXY protocol header tells of. The values are those of the header.</summary>
public enum ProxyProtocolTransport
{
    /// <summary>None, or one that the protocol does not know.</summary>
    Unspecified = 0,

    /// <summary>TCP, or a Unix domain socket of streams.</summary>
    Stream = 1,

    /// <summary>UDP, or a Unix domain socket of datagrams.</summary>
    Datagram = 2,
}

/// <summary>What the proxy says of the client's TLS: the <c>client</c> field of PP2_TYPE_SSL (§2.2.6). The values are those of the header.</summary>
[Flags]
public enum ProxyProtocolTlsClient
{
    /// <summary>The client did not use TLS.</summary>
    None = 0,

    /// <summary>The client used TLS.</summary>
    Tls = 1,

    /// <summary>It presented a certificate on this connection.</summary>
    CertificateOnConnection = 2,

    /// <summary>It presented a certificate at least once in the TLS session of this connection.</summary>
    CertificateInSession = 4,
}

/// <summary>The types of TLVs that are registered (§2.2 and its subsections), and those of clouds.</summary>
public static class ProxyProtocolTlvType
{
    /// <summary>The application's protocol (§2.2.1).</summary>
    public const byte Alpn = 0x01;

    /// <summary>The host name (§2.2.2).</summary>
    public const byte Authority = 0x02;

    /// <summary>The checksum (§2.2.3).</summary>
    public const byte Crc32C = 0x03;

    /// <summary>Padding (§2.2.4).</summary>
    public const byte Noop = 0x04;

    /// <summary>The id of the connection (§2.2.5).</summary>
    public const byte UniqueId = 0x05;

    /// <summary>TLS, with TLVs inside (§2.2.6).</summary>
    public const byte Ssl = 0x20;

    /// <summary>Inside <see cref="Ssl"/>: the version, such as <c>TLSv1.3</c>.</summary>
    public const byte SslVersion = 0x21;

    /// <summary>Inside <see cref="Ssl"/>: the common name of the client's certificate.</summary>
    public const byte SslCommonName = 0x22;

    /// <summary>Inside <see cref="Ssl"/>: the cipher.</summary>
    public const byte SslCipher = 0x23;

    /// <summary>Inside <see cref="Ssl"/>: the algorithm that signed the proxy's certificate.</summary>
    public const byte SslSignatureAlgorithm = 0x24;

    /// <summary>Inside <see cref="Ssl"/>: the algorithm of the key of the proxy's certificate.</summary>
    public const byte SslKeyAlgorithm = 0x25;

    /// <summary>Inside <see cref="Ssl"/>: the group of the key exchange.</summary>
    public const byte SslGroup = 0x26;

    /// <summary>Inside <see cref="Ssl"/>: the scheme of the proxy's signature.</summary>
    public const byte SslSignatureScheme = 0x27;

    /// <summary>Inside <see cref="Ssl"/>: the client's certificate.</summary>
    public const byte SslClientCertificate = 0x28;

    /// <summary>The network namespace (§2.2.7).</summary>
    public const byte NetworkNamespace = 0x30;

    /// <summary>Private Service Connect of Google Cloud.</summary>
    public const byte Google = 0xE0;

    /// <summary>Load balancers of AWS.</summary>
    public const byte Aws = 0xEA;

    /// <summary>Private Link of Azure.</summary>
    public const byte Azure = 0xEE;
}
