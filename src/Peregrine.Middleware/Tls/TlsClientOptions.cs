using System.Security.Cryptography.X509Certificates;

namespace Peregrine.Middleware;

/// <summary>Options of TLS on the side that connects.</summary>
public sealed class TlsClientOptions
{
    /// <summary>The name of the server: it is sent (SNI, RFC 6066), and the server's certificate must be for it.</summary>
    public string? TargetHost { get; set; }

    /// <summary>
    /// The certificates that the server's may lead to. Default null: those that the system trusts. Set, only these are trusted.
    /// </summary>
    public X509Certificate2Collection? TrustedRoots { get; set; }

    /// <summary>How long a handshake may take. Default 10 s.</summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <inheritdoc cref="TlsOptions.MaxUnreadBytes"/>
    public long MaxUnreadBytes { get; set; } = 1 << 20;

    /// <inheritdoc cref="TlsOptions.AllowEndWithoutCloseNotify"/>
    public bool AllowEndWithoutCloseNotify { get; set; }
}
