using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Peregrine.Middleware.Tls.Certificates;

/// <summary>A certificate with its private key, and those of its authorities that came with it.</summary>
internal sealed record CertificateWithChain(X509Certificate2 Certificate, X509Certificate2Collection Chain);

/// <summary>The files of a certificate, as they are at one moment.</summary>
/// <param name="options">Where they are.</param>
/// <param name="setting">What messages call the options.</param>
internal sealed class CertificateFiles(TlsCertificateOptions options, string setting)
{
    private const int LargestInBytes = 4 << 20;
    private const int WrongPassword = unchecked((int)0x80070056);

    /// <summary>What tells one state of the files from another, and what could not be read of them: it does not throw.</summary>
    public byte[] Fingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var path in (string?[])[options.Path, options.KeyPath])
        {
            if (string.IsNullOrEmpty(path))
            {
                continue;
            }

            try
            {
                hash.AppendData(ReadBytes(path));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
            {
                hash.AppendData(Encoding.UTF8.GetBytes(exception.GetType().Name));
            }
        }

        return hash.GetHashAndReset();
    }

    /// <exception cref="InvalidOperationException">They cannot be used; the message is one line that names the setting, its value and the remedy.</exception>
    public CertificateWithChain Load()
    {
        var bytes = Read(nameof(options.Path), options.Path!);
        var text = Encoding.UTF8.GetString(bytes);
        return text.Contains("-----BEGIN ", StringComparison.Ordinal) ? LoadPem(text) : LoadPfx(bytes);
    }

    private CertificateWithChain LoadPem(string text)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(text);
        }
        catch (CryptographicException exception)
        {
            throw Problem(nameof(options.Path), options.Path, $"it cannot be read as PEM ({OneLine(exception)}); set the path of a PEM or PFX file");
        }

        if (certificates.Count == 0)
        {
            throw Problem(nameof(options.Path), options.Path, "it has no certificate; set the path of a PEM file with one");
        }

        var (keySetting, keyPath) = string.IsNullOrEmpty(options.KeyPath) ? (nameof(options.Path), options.Path) : (nameof(options.KeyPath), options.KeyPath);
        var keyText = keySetting == nameof(options.Path) ? text : Encoding.UTF8.GetString(Read(keySetting, keyPath!));
        using var key = ReadKey(keyText, keySetting, keyPath);
        foreach (var certificate in certificates)
        {
            if (TryCombine(certificate, key, out var combined))
            {
                return new CertificateWithChain(ForThisSystem(combined), [.. certificates.Where(other => other != certificate)]);
            }
        }

        throw Problem(keySetting, keyPath, $"its private key is not that of a certificate in \"{options.Path}\"; set the two that belong together");
    }

    private CertificateWithChain LoadPfx(byte[] bytes)
    {
        if (!string.IsNullOrEmpty(options.KeyPath))
        {
            throw Problem(nameof(options.KeyPath), options.KeyPath, $"\"{options.Path}\" is no PEM file, and only such a one has its key elsewhere; remove it, or set a PEM file");
        }

        X509Certificate2Collection certificates;
        try
        {
            certificates = X509CertificateLoader.LoadPkcs12Collection(bytes, options.Password);
        }
        catch (CryptographicException exception) when (exception.HResult == WrongPassword)
        {
            throw Problem(
                nameof(options.Password), value: null, $"{(options.Password is null ? "it is missing" : "it is wrong")}: \"{options.Path}\" does not open; set the password of the file");
        }
        catch (CryptographicException exception)
        {
            throw Problem(nameof(options.Path), options.Path, $"it is neither PEM nor PFX ({OneLine(exception)}); set the path of such a file");
        }

        var certificate = certificates.FirstOrDefault(candidate => candidate.HasPrivateKey)
            ?? throw Problem(nameof(options.Path), options.Path, "it has no private key; set a PFX file that was exported with it");
        return new CertificateWithChain(certificate, [.. certificates.Where(other => other != certificate)]);
    }

    private AsymmetricAlgorithm ReadKey(string text, string keySetting, string? path)
    {
        var isEncrypted = text.Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----", StringComparison.Ordinal);
        if (!isEncrypted && !text.Contains(" PRIVATE KEY-----", StringComparison.Ordinal) && !text.Contains("-----BEGIN PRIVATE KEY-----", StringComparison.Ordinal))
        {
            throw Problem(keySetting, path, $"it has no private key; set {nameof(options.KeyPath)} to the PEM file that has it");
        }

        if (text.Contains("Proc-Type: 4,ENCRYPTED", StringComparison.Ordinal))
        {
            throw Problem(keySetting, path, "its private key is encrypted in an old form; convert it by \"openssl pkcs8 -topk8\"");
        }

        if (isEncrypted && options.Password is null)
        {
            throw Problem(nameof(options.Password), value: null, $"it is missing, and the private key in \"{path}\" is encrypted; set its password");
        }

        foreach (var create in (Func<AsymmetricAlgorithm>[])[ECDsa.Create, RSA.Create])
        {
            var key = create();
            try
            {
                if (isEncrypted)
                {
                    key.ImportFromEncryptedPem(text, options.Password);
                }
                else
                {
                    key.ImportFromPem(text);
                }

                return key;
            }
            catch (Exception exception) when (exception is CryptographicException or ArgumentException)
            {
                key.Dispose();
            }
        }

        throw isEncrypted
            ? Problem(nameof(options.Password), value: null, $"the private key in \"{path}\" does not open with it; set its password")
            : Problem(keySetting, path, "its private key cannot be read; set a PEM file with one key, of RSA or ECDSA");
    }

    private static bool TryCombine(X509Certificate2 certificate, AsymmetricAlgorithm key, [NotNullWhen(true)] out X509Certificate2? combined)
    {
        try
        {
            combined = key switch
            {
                ECDsa ecdsa => certificate.CopyWithPrivateKey(ecdsa),
                RSA rsa => certificate.CopyWithPrivateKey(rsa),
                _ => null,
            };
        }
        catch (Exception exception) when (exception is ArgumentException or CryptographicException or InvalidOperationException)
        {
            combined = null; // The key of another.
        }

        return combined is not null;
    }

    /// <summary>Windows takes no key for TLS that is only in memory.</summary>
    private static X509Certificate2 ForThisSystem(X509Certificate2 certificate)
    {
        if (!OperatingSystem.IsWindows())
        {
            return certificate;
        }

        using (certificate)
        {
            return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), password: null);
        }
    }

    private byte[] Read(string option, string path)
    {
        try
        {
            return ReadBytes(path);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw Problem(option, path, "there is no such file; set the path of a PEM or PFX file");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw Problem(option, path, $"it cannot be read ({OneLine(exception)}); let the process read it");
        }
    }

    private static byte[] ReadBytes(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.Length > LargestInBytes)
        {
            throw new IOException($"It has {file.Length} bytes, and {LargestInBytes} are the most.");
        }

        var bytes = new byte[file.Length];
        return bytes[..file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)];
    }

    private InvalidOperationException Problem(string option, string? value, string problem) =>
        new(value is null ? $"{setting}:{option}: {problem}." : $"{setting}:{option} = \"{value}\": {problem}.");

    private static string OneLine(Exception exception) => exception.Message.ReplaceLineEndings(" ").TrimEnd('.');
}
