using System.Security.Cryptography.X509Certificates;

namespace Peregrine.Middleware;

/// <summary>
/// Where a certificate and its private key are: in memory, in files, or in a store of the system. One of <see cref="Value"/>, <see cref="Path"/> and
/// <see cref="Subject"/>.
/// </summary>
public sealed class TlsCertificateOptions
{
    /// <summary>The certificate itself, with its private key. It is not disposed.</summary>
    public X509Certificate2? Value { get; set; }

    /// <summary>
    /// The path of a file: PEM (RFC 7468) with the certificate and those of its authorities, in any order, of which those of its chain are sent; or PFX
    /// (PKCS #12).
    /// </summary>
    public string? Path { get; set; }

    /// <summary>The path of the PEM file with the private key, encrypted or not. Default null: it is in the file of the certificate.</summary>
    public string? KeyPath { get; set; }

    /// <summary>The password of the private key, or of the PFX file.</summary>
    public string? Password { get; set; }

    /// <summary>
    /// The subject of a certificate in a store, or a part of it, such as <c>example.com</c>: of those with a private key that are valid, the one that is valid
    /// longest. It is looked for once.
    /// </summary>
    public string? Subject { get; set; }

    /// <summary>The store. Default <c>My</c>.</summary>
    public StoreName Store { get; set; } = StoreName.My;

    /// <summary>Whose store it is. Default the user's.</summary>
    public StoreLocation Location { get; set; } = StoreLocation.CurrentUser;

    internal TlsCertificateOptions Copy() => (TlsCertificateOptions)MemberwiseClone();

    /// <summary>Nothing is set.</summary>
    internal bool IsEmpty => Value is null && string.IsNullOrEmpty(Path) && string.IsNullOrEmpty(Subject) && string.IsNullOrEmpty(KeyPath) && Password is null;
}
