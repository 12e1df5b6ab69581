using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Peregrine.Middleware;

/// <summary>Options of TLS on the side that connects. They are read when the pipeline is built; what is changed later has no effect.</summary>
public sealed class TlsClientOptions
{
    /// <summary>The name of the server: it is sent (SNI, RFC 6066), and the server's certificate must be for it. An address is not sent. Required.</summary>
    public string? TargetHost { get; set; }

    /// <summary>
    /// The authorities that the server's certificate must lead to. Default null: those that the system trusts. Set, only these are trusted.
    /// </summary>
    public X509Certificate2Collection? TrustedRoots { get; set; }

    /// <summary>The certificate by which the client proves who it is, if the server asks. Default none.</summary>
    public TlsCertificateOptions Certificate { get; set; } = new();

    /// <summary>
    /// The application's protocols (ALPN, RFC 7301). Default none. A server may choose none of them: see <c>ITlsConnectionFeature.ApplicationProtocol</c>.
    /// </summary>
    public IList<SslApplicationProtocol> ApplicationProtocols { get; set; } = [];

    /// <summary>
    /// Whether it is asked if the server's certificate was revoked. Default <see cref="X509RevocationMode.NoCheck"/>: an answer comes from the network, while the
    /// handshake waits. With <see cref="X509RevocationMode.Online"/>, a certificate of which it cannot be told is refused.
    /// <see cref="X509RevocationMode.Offline"/> is the same, with what was answered before and is kept on this machine.
    /// </summary>
    public X509RevocationMode RevocationMode { get; set; } = X509RevocationMode.NoCheck;

    /// <summary>
    /// Says no to a server's certificate that is otherwise accepted: false ends the handshake. It cannot accept what is not. Called in the handshake, on any
    /// thread; it must not block.
    /// </summary>
    public Func<X509Certificate2, X509Chain?, bool>? ServerCertificateValidation { get; set; }

    /// <summary>
    /// Accepts any certificate from the server, whoever has issued it and for whatever name: anybody between can read and change everything. Default false.
    /// <see cref="ServerCertificateValidation"/> is asked all the same.
    /// </summary>
    public bool DangerousAcceptAnyServerCertificate { get; set; }

    /// <inheritdoc cref="TlsOptions.Protocols"/>
    public SslProtocols Protocols { get; set; } = SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>Whether a session may be resumed, which spares half a handshake. Default true.</summary>
    public bool AllowSessionResumption { get; set; } = true;

    /// <summary>How long a handshake may take. Default 10 s; positive.</summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <inheritdoc cref="TlsOptions.ReloadInterval"/>
    public TimeSpan ReloadInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <inheritdoc cref="TlsOptions.MaxUnreadBytes"/>
    public long MaxUnreadBytes { get; set; } = 1 << 20;

    /// <inheritdoc cref="TlsOptions.AllowEndWithoutCloseNotify"/>
    public bool AllowEndWithoutCloseNotify { get; set; }

    /// <summary>Where the options are set, for messages. Default <c>Tls</c>.</summary>
    public string SettingName { get; set; } = "Tls";

    /// <summary>Shares nothing that can be changed.</summary>
    internal TlsClientOptions Copy()
    {
        var copy = (TlsClientOptions)MemberwiseClone();
        copy.Certificate = Certificate.Copy();
        copy.ApplicationProtocols = [.. ApplicationProtocols];
        copy.TrustedRoots = TrustedRoots is null ? null : [.. TrustedRoots];
        return copy;
    }
}
