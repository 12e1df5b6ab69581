using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Peregrine.Middleware.Tls.Certificates;

namespace Peregrine.Middleware.Tls;

/// <summary>The handshake of the side that accepts: finds what belongs to the host that the client asks for.</summary>
internal sealed class TlsServerHandshake : ITlsHandshake
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private readonly TlsOptions _options;
    private readonly HostTable<Host> _hosts;
    private readonly Host? _default;
    private readonly ServerOptionsSelectionCallback _select;

    /// <exception cref="InvalidOperationException">An option cannot be had; the message is one line that names it, its value and the remedy.</exception>
    public TlsServerHandshake(TlsOptions options, TlsEnvironment environment)
    {
        _options = options = options.Copy();
        _select = (_, hello, _, _) => SelectAsync(hello.ServerName);
        TlsOptionChecks.Check(options);
        var setting = options.SettingName;
        _hosts = new HostTable<Host>(
            options.Hosts.Select(host => KeyValuePair.Create(host.Key, CreateHost(host.Value, $"{setting}:{nameof(options.Hosts)}:{host.Key}"))).ToList(),
            $"{setting}:{nameof(options.Hosts)}");
        if (!options.Certificate.IsEmpty || _hosts.IsEmpty || !options.RefuseUnknownHosts)
        {
            _default = CreateHost(new TlsHostOptions { Certificate = options.Certificate }, setting);
        }

        Host CreateHost(TlsHostOptions host, string path) => new(
            options, host, new CertificateSource(host.Certificate, $"{path}:{nameof(host.Certificate)}", options.ReloadInterval, environment));
    }

    public bool ThrowsFailure => false;

    public bool PeerSpeaksFirst => true;

    public async Task AuthenticateAsync(TlsStream tls, CancellationToken cancellationToken)
    {
        if (_hosts.IsEmpty && !_options.RefuseUnknownHosts)
        {
            await tls.AuthenticateAsServerAsync(await _default!.GetAsync().ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await tls.AuthenticateAsServerAsync(_select, state: null, cancellationToken).ConfigureAwait(false);
        }
    }

    private ValueTask<SslServerAuthenticationOptions> SelectAsync(string? name) =>
        _hosts.TryFind(name, out var host) ? host.GetAsync()
            : !_options.RefuseUnknownHosts ? _default!.GetAsync()
            : throw new UnknownHostException(name);

    /// <summary>What holds for a host. While its certificate stays, so does what TLS keeps for it, with which sessions are resumed.</summary>
    private sealed class Host(TlsOptions options, TlsHostOptions host, CertificateSource source)
    {
        private readonly TlsClientCertificateMode _clients = host.ClientCertificates ?? options.ClientCertificates;
        private volatile SslServerAuthenticationOptions? _current;

        public ValueTask<SslServerAuthenticationOptions> GetAsync()
        {
            var getting = source.GetAsync();
            return getting.IsCompletedSuccessfully ? new ValueTask<SslServerAuthenticationOptions>(For(getting.Result)) : AwaitAsync(getting);
        }

        private async ValueTask<SslServerAuthenticationOptions> AwaitAsync(ValueTask<SslStreamCertificateContext> getting) =>
            For(await getting.ConfigureAwait(false));

        private SslServerAuthenticationOptions For(SslStreamCertificateContext certificate) =>
            _current is { } current && current.ServerCertificateContext == certificate ? current : _current = Create(certificate);

        private SslServerAuthenticationOptions Create(SslStreamCertificateContext certificate)
        {
            var protocols = host.ApplicationProtocols ?? options.ApplicationProtocols;
            var authentication = new SslServerAuthenticationOptions
            {
                ServerCertificateContext = certificate,
                EnabledSslProtocols = options.Protocols,
                ApplicationProtocols = protocols.Count > 0 ? [.. protocols] : null,
                AllowRenegotiation = false,

                // A session keeps the client's certificate without those that lead to its authority: resumed, it would not be valid.
                AllowTlsResume = options.AllowSessionResumption && _clients == TlsClientCertificateMode.None,
            };
            if (_clients != TlsClientCertificateMode.None)
            {
                authentication.ClientCertificateRequired = true;
                authentication.CertificateChainPolicy = PeerCertificates.CreatePolicy(options.TrustedRoots, options.RevocationMode, ClientAuthentication);

                // What a client names as its authority's address is not fetched.
                authentication.CertificateChainPolicy.DisableCertificateDownloads = true;
                authentication.RemoteCertificateValidationCallback = (sender, peer, chain, errors) => ((TlsStream)sender).Validate(
                    peer, chain, errors, _clients == TlsClientCertificateMode.Require, options.DangerousAcceptAnyClientCertificate, options.ClientCertificateValidation);
            }

            return authentication;
        }
    }
}

/// <summary>The client asks for a host that is not served.</summary>
internal sealed class UnknownHostException(string? name)
    : AuthenticationException(string.IsNullOrEmpty(name) ? "the client names no host" : $"the host \"{name}\" is not served");
