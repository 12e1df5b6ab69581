using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Middleware.Tls;

/// <summary>The handshake of the side that connects.</summary>
internal sealed class TlsClientHandshake(TlsClientOptions options) : ITlsHandshake
{
    public Task AuthenticateAsync(SslStream tls, ConnectionContext connection, CancellationToken cancellationToken)
    {
        var authentication = new SslClientAuthenticationOptions
        {
            TargetHost = options.TargetHost,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            AllowRenegotiation = false,
        };
        if (options.TrustedRoots is { } roots)
        {
            authentication.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            authentication.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }

        return tls.AuthenticateAsClientAsync(authentication, cancellationToken);
    }
}
