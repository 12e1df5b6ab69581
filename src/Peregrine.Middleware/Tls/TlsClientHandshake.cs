using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Peregrine.Middleware.Tls.Certificates;

namespace Peregrine.Middleware.Tls;

/// <summary>The handshake of the side that connects.</summary>
internal sealed class TlsClientHandshake : ITlsHandshake
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    private readonly TlsClientOptions _options;
    private readonly CertificateSource? _certificate;
    private volatile SslClientAuthenticationOptions? _current;

    /// <exception cref="InvalidOperationException">An option cannot be had; the message is one line that names it, its value and the remedy.</exception>
    public TlsClientHandshake(TlsClientOptions options, TlsEnvironment environment)
    {
        _options = options = options.Copy();
        TlsOptionChecks.Check(options);
        if (!options.Certificate.IsEmpty)
        {
            _certificate = new CertificateSource(
                options.Certificate, $"{options.SettingName}:{nameof(options.Certificate)}", options.ReloadInterval, environment);
        }
    }

    public bool ThrowsFailure => true;

    public bool PeerSpeaksFirst => false;

    public async Task AuthenticateAsync(TlsStream tls, CancellationToken cancellationToken)
    {
        var certificate = _certificate is null ? null : await _certificate.GetAsync().ConfigureAwait(false);
        var current = _current;
        if (current is null || current.ClientCertificateContext != certificate)
        {
            _current = current = Create(certificate);
        }

        await tls.AuthenticateAsClientAsync(current, cancellationToken).ConfigureAwait(false);
    }

    private SslClientAuthenticationOptions Create(SslStreamCertificateContext? certificate) => new()
    {
        TargetHost = _options.TargetHost,
        ClientCertificateContext = certificate,
        EnabledSslProtocols = _options.Protocols,
        ApplicationProtocols = _options.ApplicationProtocols.Count > 0 ? [.. _options.ApplicationProtocols] : null,
        AllowRenegotiation = false,
        AllowTlsResume = _options.AllowSessionResumption,
        CertificateChainPolicy = PeerCertificates.CreatePolicy(_options.TrustedRoots, _options.RevocationMode, ServerAuthentication),
        RemoteCertificateValidationCallback = (sender, peer, chain, errors) => ((TlsStream)sender).Validate(
            peer, chain, errors, isRequired: true, _options.DangerousAcceptAnyServerCertificate, _options.ServerCertificateValidation),
    };
}
