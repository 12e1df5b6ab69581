using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Configuration;
using Peregrine.Middleware;

namespace Peregrine.Server.Hosting;

/// <summary>Reads the section <c>Tls</c> of an endpoint over what code says.</summary>
internal static class TlsSettings
{
    /// <summary>The file of what <see cref="TlsOptions.TrustedRoots"/> are in code.</summary>
    public const string TrustedRootsPath = nameof(TrustedRootsPath);

    private const string Boolean = "true or false";
    private const string Name = "a text";
    private const string Modes = "None, Allow or Require";
    private const string Versions = "Tls12, Tls13, or \"Tls12, Tls13\"";
    private const string Interval = "a time such as 00:00:10; 00:00:00 looks never";
    private const string Roots = "the path of a PEM file with certificates";

    /// <returns>Null if neither code nor the section asks for TLS.</returns>
    /// <exception cref="PeregrineStartException">A key is unknown, or a value is not of its kind; whether certificates can be had is not looked at.</exception>
    public static TlsOptions? Read(IConfigurationSection section, TlsOptions? options)
    {
        if (!section.Exists())
        {
            return options;
        }

        options ??= new TlsOptions();
        section.CheckKeys(
            "TLS", nameof(options.Certificate), nameof(options.Hosts), nameof(options.RefuseUnknownHosts), nameof(options.ApplicationProtocols),
            nameof(options.ClientCertificates), TrustedRootsPath, nameof(options.RevocationMode), nameof(options.DangerousAcceptAnyClientCertificate),
            nameof(options.Protocols), nameof(options.AllowSessionResumption), nameof(options.ReloadInterval), nameof(options.AllowEndWithoutCloseNotify));
        ReadCertificate(section.GetSection(nameof(options.Certificate)), options.Certificate);
        ReadHosts(section.GetSection(nameof(options.Hosts)), options.Hosts);
        options.RefuseUnknownHosts = Flag(section, nameof(options.RefuseUnknownHosts), options.RefuseUnknownHosts);
        options.ApplicationProtocols = ReadProtocols(section.GetSection(nameof(options.ApplicationProtocols))) ?? options.ApplicationProtocols;
        options.ClientCertificates =
            section.Read(nameof(options.ClientCertificates), options.ClientCertificates, StrictSection.ParseName<TlsClientCertificateMode>, Modes);
        options.TrustedRoots = section.Has(TrustedRootsPath)
            ? LoadRoots(section.Read(TrustedRootsPath, null, Roots), $"{section.Path}:{TrustedRootsPath}")
            : options.TrustedRoots;
        options.RevocationMode =
            section.Read(nameof(options.RevocationMode), options.RevocationMode, StrictSection.ParseName<X509RevocationMode>, "NoCheck, Online or Offline");
        options.DangerousAcceptAnyClientCertificate =
            Flag(section, nameof(options.DangerousAcceptAnyClientCertificate), options.DangerousAcceptAnyClientCertificate);
        options.Protocols = section.Read(nameof(options.Protocols), options.Protocols, ParseVersions, Versions);
        options.AllowSessionResumption = Flag(section, nameof(options.AllowSessionResumption), options.AllowSessionResumption);
        options.ReloadInterval = section.Read(nameof(options.ReloadInterval), options.ReloadInterval, StrictSection.ParseTime, Interval);
        options.AllowEndWithoutCloseNotify = Flag(section, nameof(options.AllowEndWithoutCloseNotify), options.AllowEndWithoutCloseNotify);
        return options;
    }

    /// <summary>What is set here takes the place of all that code says of the certificate: a path of one and a key of the other fit nothing.</summary>
    private static void ReadCertificate(IConfigurationSection section, TlsCertificateOptions certificate)
    {
        section.CheckKeys(
            "a certificate", nameof(certificate.Path), nameof(certificate.KeyPath), nameof(certificate.Password), nameof(certificate.Subject),
            nameof(certificate.Store), nameof(certificate.Location));
        if (!section.Exists())
        {
            return;
        }

        certificate.Value = null;
        certificate.Path = section.Read(nameof(certificate.Path), null, Name);
        certificate.KeyPath = section.Read(nameof(certificate.KeyPath), null, Name);
        certificate.Password = section.Read(nameof(certificate.Password), null, Name);
        certificate.Subject = section.Read(nameof(certificate.Subject), null, Name);
        certificate.Store = section.Read(nameof(certificate.Store), StoreName.My, StrictSection.ParseName<StoreName>, "the name of a store, such as My");
        certificate.Location =
            section.Read(nameof(certificate.Location), StoreLocation.CurrentUser, StrictSection.ParseName<StoreLocation>, "CurrentUser or LocalMachine");
    }

    private static void ReadHosts(IConfigurationSection section, IDictionary<string, TlsHostOptions> hosts)
    {
        section.CheckIsSection();
        foreach (var child in section.GetChildren())
        {
            var host = hosts.TryGetValue(child.Key, out var known) ? known : hosts[child.Key] = new TlsHostOptions();
            child.CheckKeys("a host", nameof(host.Certificate), nameof(host.ApplicationProtocols), nameof(host.ClientCertificates));
            ReadCertificate(child.GetSection(nameof(host.Certificate)), host.Certificate);
            host.ApplicationProtocols = ReadProtocols(child.GetSection(nameof(host.ApplicationProtocols))) ?? host.ApplicationProtocols;
            host.ClientCertificates =
                child.ReadOptional(nameof(host.ClientCertificates), host.ClientCertificates, StrictSection.ParseName<TlsClientCertificateMode>, Modes);
        }
    }

    private static List<SslApplicationProtocol>? ReadProtocols(IConfigurationSection section)
    {
        section.CheckIsSection();
        return section.Exists() ? [.. section.GetChildren().Select(Parse)] : null;

        static SslApplicationProtocol Parse(IConfigurationSection item)
        {
            try
            {
                return new SslApplicationProtocol(item.Value ?? "");
            }
            catch (ArgumentException)
            {
                throw new PeregrineStartException($"{item.Path} = \"{item.Value}\" is not the name of a protocol, of 1 to 255 bytes.");
            }
        }
    }

    private static SslProtocols? ParseVersions(string text)
    {
        var versions = SslProtocols.None;
        foreach (var name in text.Split(',', StringSplitOptions.TrimEntries))
        {
            if (name.Equals(nameof(SslProtocols.Tls12), StringComparison.OrdinalIgnoreCase))
            {
                versions |= SslProtocols.Tls12;
            }
            else if (name.Equals(nameof(SslProtocols.Tls13), StringComparison.OrdinalIgnoreCase))
            {
                versions |= SslProtocols.Tls13;
            }
            else
            {
                return null;
            }
        }

        return versions;
    }

    private static X509Certificate2Collection LoadRoots(string? path, string setting)
    {
        // A variable that a deployment has forgotten, say, must not make every authority of the system trusted.
        if (string.IsNullOrEmpty(path))
        {
            throw new PeregrineStartException($"{setting} is empty; set {Roots}, or remove it to trust the authorities of the system.");
        }

        var roots = new X509Certificate2Collection();
        try
        {
            roots.ImportFromPemFile(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new PeregrineStartException($"{setting} = \"{path}\": it cannot be read ({exception.Message.ReplaceLineEndings(" ").TrimEnd('.')}); set {Roots}.");
        }

        return roots.Count > 0 ? roots : throw new PeregrineStartException($"{setting} = \"{path}\": it has no certificate; set {Roots}.");
    }

    private static bool Flag(IConfigurationSection section, string key, bool fallback) => section.Read(key, fallback, StrictSection.ParseBoolean, Boolean);
}
