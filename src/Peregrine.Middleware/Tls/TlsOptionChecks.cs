using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Peregrine.Middleware.Tls;

/// <summary>Finds options that cannot be, before anybody connects.</summary>
internal static class TlsOptionChecks
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(24);

    /// <exception cref="InvalidOperationException">An option cannot be.</exception>
    public static void Check(TlsOptions options)
    {
        var setting = options.SettingName;
        Check(setting, options.Protocols, options.HandshakeTimeout, options.MaxUnreadBytes ?? 1);
        if (!Enum.IsDefined(options.ClientCertificates) || options.Hosts.Values.Any(host => host.ClientCertificates is { } mode && !Enum.IsDefined(mode)))
        {
            throw Problem(setting, nameof(options.ClientCertificates), options.ClientCertificates, "None, Allow or Require");
        }

        if (options.TrustedRoots is { Count: 0 })
        {
            throw Problem(setting, nameof(options.TrustedRoots), "", "at least one certificate; without it, those of the system are trusted");
        }

        var isAsking = options.ClientCertificates != TlsClientCertificateMode.None
            || options.Hosts.Values.Any(host => host.ClientCertificates is not (null or TlsClientCertificateMode.None));
        if (!isAsking && (options.TrustedRoots is not null || options.RevocationMode != X509RevocationMode.NoCheck || options.ClientCertificateValidation is not null || options.DangerousAcceptAnyClientCertificate))
        {
            throw new InvalidOperationException(
                $"{setting}:{nameof(options.ClientCertificates)} is None, and how clients' certificates are validated is set; set it to Require or Allow, or remove that.");
        }
    }

    /// <exception cref="InvalidOperationException">An option cannot be.</exception>
    public static void Check(TlsClientOptions options)
    {
        var setting = options.SettingName;
        Check(setting, options.Protocols, options.HandshakeTimeout, options.MaxUnreadBytes);
        if (string.IsNullOrEmpty(options.TargetHost))
        {
            throw new InvalidOperationException(
                $"{setting}:{nameof(options.TargetHost)} is missing; set it to the name that the server's certificate is for.");
        }

        if (options.TrustedRoots is { Count: 0 })
        {
            throw Problem(setting, nameof(options.TrustedRoots), "", "at least one certificate; without it, those of the system are trusted");
        }
    }

    private static void Check(string setting, SslProtocols protocols, TimeSpan handshakeTimeout, long maxUnreadBytes)
    {
#pragma warning disable CA5398 // Named to refuse all others: SslProtocols.None is the system's choice, older versions included.
        if (protocols == SslProtocols.None || (protocols & ~(SslProtocols.Tls12 | SslProtocols.Tls13)) != 0)
#pragma warning restore CA5398
        {
            throw Problem(setting, nameof(TlsOptions.Protocols), protocols, "Tls12, Tls13, or both; older ones are not safe (RFC 8996)");
        }

        if (handshakeTimeout <= TimeSpan.Zero || handshakeTimeout > Longest)
        {
            throw Problem(setting, nameof(TlsOptions.HandshakeTimeout), handshakeTimeout, "a time above zero, to 24 days");
        }

        if (maxUnreadBytes < 1)
        {
            throw Problem(setting, nameof(TlsOptions.MaxUnreadBytes), maxUnreadBytes, "a number of bytes from 1");
        }
    }

    private static InvalidOperationException Problem(string setting, string option, object value, string accepted) =>
        new($"{setting}:{option} = \"{value}\": it takes {accepted}.");
}
