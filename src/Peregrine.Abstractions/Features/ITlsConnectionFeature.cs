using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Peregrine.Features;

/// <summary>
/// What the handshake of TLS has brought. There as soon as it is done, and until the connection is gone; <c>ITlsHandshakeFeature</c> has the version and
/// the cipher suite.
/// </summary>
/// <remarks>Immutable.</remarks>
public interface ITlsConnectionFeature
{
    /// <summary>
    /// The peer's certificate: on a server the client's, null if it has sent none. It belongs to the connection: copy what is needed longer.
    /// </summary>
    X509Certificate2? PeerCertificate { get; }

    /// <summary>The protocol that was agreed on (ALPN, RFC 7301); empty if none was.</summary>
    SslApplicationProtocol ApplicationProtocol { get; }

    /// <summary>The name by which the client has asked for the server (SNI, RFC 6066), as it was sent; empty if it has sent none.</summary>
    string HostName { get; }
}
