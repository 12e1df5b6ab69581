using System.Security.Cryptography.X509Certificates;

namespace Peregrine.Middleware;

/// <summary>Options of TLS on the side that accepts.</summary>
public sealed class TlsOptions
{
    /// <summary>The server's certificate, with its private key.</summary>
    public X509Certificate2? Certificate { get; set; }

    /// <summary>
    /// How long a handshake may take, on a connection whose server has no timeout of its own for it (<c>IConnectionTimeoutFeature.Handshake</c>), such
    /// as Kestrel. Default 10 s.
    /// </summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How many decrypted bytes a connection keeps that its handler has examined and not consumed. Default 1,048,576; at least 1. A read that asks
    /// for more fails with <see cref="InvalidDataException"/>.
    /// </summary>
    public long MaxUnreadBytes { get; set; } = 1 << 20;

    /// <summary>
    /// Whether a connection that ends without TLS's close_notify reads to a clean end. Default false: the read fails, because somebody between may
    /// have cut it off (RFC 8446 §6.1). For protocols that tell the ends of their messages themselves.
    /// </summary>
    public bool AllowEndWithoutCloseNotify { get; set; }
}
