namespace Peregrine.Features;

/// <summary>
/// The TLS between a client and its proxy, as the proxy tells it (PP2_TYPE_SSL, proxy-protocol.txt §2.2.6). What the proxy does not tell is null, or
/// empty. Immutable.
/// </summary>
public sealed class ProxyProtocolTls
{
    /// <summary>What the client used and presented.</summary>
    public ProxyProtocolTlsClient Client { get; init; }

    /// <summary>Zero if the client presented a certificate and it was verified; anything else otherwise. Of haproxy, OpenSSL's X509_V_ERR number.</summary>
    public uint VerifyResult { get; init; }

    /// <summary>The client presented a certificate and the proxy verified it.</summary>
    public bool IsCertificateVerified =>
        VerifyResult == 0 && (Client & (ProxyProtocolTlsClient.CertificateOnConnection | ProxyProtocolTlsClient.CertificateInSession)) != 0;

    /// <summary>The version, such as <c>TLSv1.3</c> (0x21).</summary>
    public string? Version { get; init; }

    /// <summary>The common name of the client's certificate (0x22).</summary>
    public string? CommonName { get; init; }

    /// <summary>The cipher, such as <c>ECDHE-RSA-AES128-GCM-SHA256</c> (0x23).</summary>
    public string? Cipher { get; init; }

    /// <summary>The algorithm that signed the proxy's certificate, such as <c>RSA-SHA256</c> (0x24).</summary>
    public string? SignatureAlgorithm { get; init; }

    /// <summary>The algorithm of the key of the proxy's certificate, such as <c>RSA2048</c> (0x25).</summary>
    public string? KeyAlgorithm { get; init; }

    /// <summary>The group of the key exchange, such as <c>secp256r1</c> (0x26).</summary>
    public string? Group { get; init; }

    /// <summary>The scheme by which the proxy signed the handshake, such as <c>rsa_pss_rsae_sha256</c> (0x27).</summary>
    public string? SignatureScheme { get; init; }

    /// <summary>The client's certificate, X.509 in DER (0x28).</summary>
    public ReadOnlyMemory<byte> ClientCertificate { get; init; }
}
