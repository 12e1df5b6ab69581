using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections.Features;
using Peregrine.Features;

namespace Peregrine.Middleware.Tls;

/// <summary>What a handshake has brought. Taken at its end: of the stream nothing can be asked when it is disposed.</summary>
internal sealed class TlsHandshakeResult(SslStream tls) : ITlsHandshakeFeature, ITlsConnectionFeature
{
    public X509Certificate2? PeerCertificate { get; } = tls.RemoteCertificate as X509Certificate2;

    public SslApplicationProtocol ApplicationProtocol { get; } = tls.NegotiatedApplicationProtocol;

    public string HostName { get; } = tls.TargetHostName;

    public SslProtocols Protocol { get; } = tls.SslProtocol;

    public TlsCipherSuite? NegotiatedCipherSuite { get; } = tls.NegotiatedCipherSuite;

#pragma warning disable SYSLIB0058 // The interface has them.
    public CipherAlgorithmType CipherAlgorithm { get; } = tls.CipherAlgorithm;

    public int CipherStrength { get; } = tls.CipherStrength;

    public HashAlgorithmType HashAlgorithm { get; } = tls.HashAlgorithm;

    public int HashStrength { get; } = tls.HashStrength;

    public ExchangeAlgorithmType KeyExchangeAlgorithm { get; } = tls.KeyExchangeAlgorithm;

    public int KeyExchangeStrength { get; } = tls.KeyExchangeStrength;
#pragma warning restore SYSLIB0058
}
