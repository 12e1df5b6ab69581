using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Peregrine.Middleware;

/// <summary>
/// Options of TLS on the side that accepts. They are read when the pipeline is built; what is changed later has no effect, but that certificate files are
/// looked at again.
/// </summary>
public sealed class TlsOptions
{
    /// <summary>
    /// The server's certificate: for clients that name no host, and for hosts that are not in <see cref="Hosts"/>. It may be missing if there are hosts, and
    /// <see cref="RefuseUnknownHosts"/> is set.
    /// </summary>
    public TlsCertificateOptions Certificate { get; set; } = new();

    /// <summary>
    /// What holds for the names by which clients ask for the server (SNI, RFC 6066): an exact name, or a wildcard such as <c>*.example.com</c>, which is for
    /// one label; the exact one goes first. Case does not matter; names with other letters than ASCII are in their A-label form (<c>xn--…</c>), as clients send them.
    /// </summary>
    public IDictionary<string, TlsHostOptions> Hosts { get; private set; } = new Dictionary<string, TlsHostOptions>(StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Whether a client that names no host, or none of <see cref="Hosts"/>, is refused with the alert <c>unrecognized_name</c>. Default false: it gets
    /// <see cref="Certificate"/>.
    /// </summary>
    public bool RefuseUnknownHosts { get; set; }

    /// <summary>
    /// The application's protocols, the most wanted first (ALPN, RFC 7301). Default none: nothing is negotiated. A client that offers none of them is refused
    /// with the alert <c>no_application_protocol</c>; one that offers nothing is served, and the handler finds an empty protocol.
    /// </summary>
    public IList<SslApplicationProtocol> ApplicationProtocols { get; set; } = [];

    /// <summary>Whether clients have certificates. Default <see cref="TlsClientCertificateMode.None"/>.</summary>
    public TlsClientCertificateMode ClientCertificates { get; set; }

    /// <summary>
    /// The authorities that clients' certificates must lead to. Default null: those that the system trusts, which is rarely meant. Set, only these are trusted.
    /// </summary>
    public X509Certificate2Collection? TrustedRoots { get; set; }

    /// <summary>
    /// Whether it is asked if clients' certificates were revoked. Default <see cref="X509RevocationMode.NoCheck"/>: an answer comes from the network, while the
    /// handshake waits, and an authority of one's own often has none. With <see cref="X509RevocationMode.Online"/>, a certificate of which it cannot be told is
    /// refused. <see cref="X509RevocationMode.Offline"/> is the same, with what was answered before and is kept on this machine.
    /// </summary>
    public X509RevocationMode RevocationMode { get; set; } = X509RevocationMode.NoCheck;

    /// <summary>
    /// Says no to a client's certificate that is otherwise accepted: false ends the handshake. It cannot accept what is not. Called in the handshake, on any
    /// thread; it must not block. Not called for a client without one.
    /// </summary>
    public Func<X509Certificate2, X509Chain?, bool>? ClientCertificateValidation { get; set; }

    /// <summary>
    /// Accepts any certificate from clients, whoever has issued it, expired ones too: it says nothing of who they are. Default false.
    /// <see cref="ClientCertificateValidation"/> is asked all the same.
    /// </summary>
    public bool DangerousAcceptAnyClientCertificate { get; set; }

    /// <summary>The versions that are spoken. Default TLS 1.2 and 1.3.</summary>
    public SslProtocols Protocols { get; set; } = SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>
    /// Whether clients may resume a session, which spares them half a handshake (RFC 8446 §2.2). Default true. Clients that are asked for certificates never
    /// do: a session keeps a client's certificate without those that lead to its authority.
    /// </summary>
    public bool AllowSessionResumption { get; set; } = true;

    /// <summary>
    /// How long a handshake may take, on a connection whose server has no timeout of its own for it (<c>IConnectionTimeoutFeature.Handshake</c>), such
    /// as Kestrel. Default 10 s; positive.
    /// </summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How often certificate files are looked at again, when a client connects. Default 10 s; zero or less looks never. A file that has changed is read; if it
    /// cannot be used, the old certificate stays, and that is logged.
    /// </summary>
    public TimeSpan ReloadInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How many decrypted bytes a connection keeps that its handler has examined and not consumed; at least 1. Default null: as many as the endpoint says, or
    /// 1,048,576. A read that asks for more fails with <see cref="InvalidDataException"/>.
    /// </summary>
    public long? MaxUnreadBytes { get; set; }

    /// <summary>
    /// Whether a connection that ends without TLS's close_notify reads to a clean end. Default false: the read fails, because somebody between may
    /// have cut it off (RFC 8446 §6.1). For protocols that tell the ends of their messages themselves.
    /// </summary>
    public bool AllowEndWithoutCloseNotify { get; set; }

    /// <summary>Where the options are set, for messages. Default <c>Tls</c>.</summary>
    public string SettingName { get; set; } = "Tls";

    /// <summary>The same options, which share with these nothing that can be changed but certificates.</summary>
    public TlsOptions Copy()
    {
        var copy = (TlsOptions)MemberwiseClone();
        copy.Certificate = Certificate.Copy();
        copy.Hosts = Hosts.ToDictionary(host => host.Key, host => host.Value.Copy(), StringComparer.OrdinalIgnoreCase);
        copy.ApplicationProtocols = [.. ApplicationProtocols];
        copy.TrustedRoots = TrustedRoots is null ? null : [.. TrustedRoots];
        return copy;
    }
}

/// <summary>What holds for a name that clients ask for. What is not set is that of <see cref="TlsOptions"/>.</summary>
public sealed class TlsHostOptions
{
    /// <summary>The certificate.</summary>
    public TlsCertificateOptions Certificate { get; set; } = new();

    /// <inheritdoc cref="TlsOptions.ApplicationProtocols"/>
    public IList<SslApplicationProtocol>? ApplicationProtocols { get; set; }

    /// <summary>
    /// Whether clients that ask for this name have certificates. It protects nothing on its own: a client may ask for another name, or for none, and say the
    /// rest inside. Set it for the endpoint, or look at <c>ITlsConnectionFeature</c>.
    /// </summary>
    public TlsClientCertificateMode? ClientCertificates { get; set; }

    internal TlsHostOptions Copy()
    {
        var copy = (TlsHostOptions)MemberwiseClone();
        copy.Certificate = Certificate.Copy();
        copy.ApplicationProtocols = ApplicationProtocols is null ? null : [.. ApplicationProtocols];
        return copy;
    }
}

/// <summary>Whether a server asks its clients for certificates.</summary>
public enum TlsClientCertificateMode
{
    /// <summary>It does not.</summary>
    None,

    /// <summary>It does, and serves those too that have none. One that is sent must be valid.</summary>
    Allow,

    /// <summary>A client without a valid one is refused.</summary>
    Require,
}
