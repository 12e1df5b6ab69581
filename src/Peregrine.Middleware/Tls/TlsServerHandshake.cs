using System.Net.Security;
using System.Security.Authentication;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Middleware.Tls;

/// <summary>The handshake of the side that accepts.</summary>
internal sealed class TlsServerHandshake(TlsOptions options) : ITlsHandshake
{
    private readonly SslServerAuthenticationOptions _authentication = new()
    {
        ServerCertificateContext = SslStreamCertificateContext.Create(options.Certificate!, additionalCertificates: null, offline: true),
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        AllowRenegotiation = false,
    };

    public Task AuthenticateAsync(SslStream tls, ConnectionContext connection, CancellationToken cancellationToken) =>
        tls.AuthenticateAsServerAsync(_authentication, cancellationToken);
}
