using System.Diagnostics.CodeAnalysis;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Peregrine.Middleware.Tls.Certificates;

/// <summary>
/// A certificate that follows its files. They are looked at when a handshake asks, at intervals: so nothing runs when nobody connects, and nothing has to
/// be stopped. What they hold is compared, not their times: neither a swapped link (Kubernetes) nor a copied file is missed.
/// </summary>
internal sealed class CertificateSource
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(1);

    private readonly TlsEnvironment _environment;
    private readonly string _setting;
    private readonly CertificateFiles? _files;
    private readonly TimeSpan _interval;
    private readonly Lock _lock = new();

    // Under the lock.
    private long _lookedAt;
    private Task? _looking;

    // Of whoever looks, one at a time.
    private byte[]? _fingerprint;
    private byte[]? _toldFingerprint;
    private volatile SslStreamCertificateContext _current;

    /// <exception cref="InvalidOperationException">It cannot be had; the message is one line that names the setting, its value and the remedy.</exception>
    public CertificateSource(TlsCertificateOptions options, string setting, TimeSpan interval, TlsEnvironment environment)
    {
        _environment = environment;
        _setting = setting;
        _interval = interval;
        _lookedAt = environment.Clock.GetTimestamp();
        CheckOptions(options, setting);
        if (!string.IsNullOrEmpty(options.Path))
        {
            _files = new CertificateFiles(options, setting);
            _fingerprint = _files.Fingerprint();
            _current = Use(_files.Load());
        }
        else
        {
            _current = Use(new CertificateWithChain(options.Value is null ? Find(options, setting, environment.Clock) : WithKey(options.Value, setting), []));
        }
    }

    /// <summary>What to use now. It looks at the files first, if the time has come.</summary>
    public ValueTask<SslStreamCertificateContext> GetAsync() =>
        TryLook(out var looking) ? AwaitAsync(looking) : new ValueTask<SslStreamCertificateContext>(_current);

    private async ValueTask<SslStreamCertificateContext> AwaitAsync(Task looking)
    {
        try
        {
            // A file system that does not answer holds up no handshake for long.
            await looking.WaitAsync(LongestWait, _environment.Clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The old one, then.
        }

        return _current;
    }

    private bool TryLook([NotNullWhen(true)] out Task? looking)
    {
        looking = null;
        if (_files is null || _interval <= TimeSpan.Zero)
        {
            return false;
        }

        lock (_lock)
        {
            if (_looking is { IsCompleted: false })
            {
                // Those before have waited long enough for it.
                looking = _environment.Clock.GetElapsedTime(_lookedAt) < LongestWait ? _looking : null;
            }
            else if (_environment.Clock.GetElapsedTime(_lookedAt) >= _interval)
            {
                _lookedAt = _environment.Clock.GetTimestamp();
                _looking = looking = Task.Run(Look);
            }

            return looking is not null;
        }
    }

    private void Look()
    {
        var fingerprint = _files!.Fingerprint();
        if (fingerprint.AsSpan().SequenceEqual(_fingerprint))
        {
            _toldFingerprint = null;
            return;
        }

        try
        {
            _current = Use(_files.Load());
            _fingerprint = fingerprint;
            _toldFingerprint = null;
            var certificate = _current.TargetCertificate;
            TlsLog.Reloaded(_environment.Logger, _setting, certificate.Subject, certificate.NotAfter.ToUniversalTime());
        }
        catch (Exception exception)
        {
            // It may be a file that could not be read at that moment: it is tried again at each look, and told once for each change.
            if (!fingerprint.AsSpan().SequenceEqual(_toldFingerprint))
            {
                _toldFingerprint = fingerprint;
                TlsLog.ReloadFailed(_environment.Logger, exception.Message.ReplaceLineEndings(" "));
            }
        }
    }

    private SslStreamCertificateContext Use(CertificateWithChain loaded)
    {
        var certificate = loaded.Certificate;
        var now = _environment.Clock.GetUtcNow();
        if (certificate.NotAfter.ToUniversalTime() <= now)
        {
            TlsLog.Expired(_environment.Logger, _setting, certificate.Subject, certificate.NotAfter.ToUniversalTime());
        }
        else if (certificate.NotBefore.ToUniversalTime() > now)
        {
            TlsLog.NotYetValid(_environment.Logger, _setting, certificate.Subject, certificate.NotBefore.ToUniversalTime());
        }

        // Offline: a start must not wait for the network.
        return SslStreamCertificateContext.Create(certificate, loaded.Chain, offline: true);
    }

    private static void CheckOptions(TlsCertificateOptions options, string setting)
    {
        var given = (options.Value is null ? 0 : 1) + (string.IsNullOrEmpty(options.Path) ? 0 : 1) + (string.IsNullOrEmpty(options.Subject) ? 0 : 1);
        if (given != 1)
        {
            throw new InvalidOperationException(
                $"{setting} {(given == 0 ? "is missing" : "is set in more than one way")}; set {nameof(options.Path)} to a PEM or PFX file, or {nameof(options.Subject)} to that of a certificate in a store.");
        }

        CheckUnused(options, setting);
    }

    private static void CheckUnused(TlsCertificateOptions options, string setting)
    {
        if (string.IsNullOrEmpty(options.Path) && (!string.IsNullOrEmpty(options.KeyPath) || !string.IsNullOrEmpty(options.Password)))
        {
            var option = string.IsNullOrEmpty(options.KeyPath) ? nameof(options.Password) : nameof(options.KeyPath);
            throw new InvalidOperationException($"{setting}:{option} is set, which only a certificate of a file has; set {nameof(options.Path)}, or remove it.");
        }

        if (string.IsNullOrEmpty(options.Subject) && (options.Store != StoreName.My || options.Location != StoreLocation.CurrentUser))
        {
            var option = options.Store != StoreName.My ? nameof(options.Store) : nameof(options.Location);
            throw new InvalidOperationException($"{setting}:{option} is set, which only a certificate of a store has; set {nameof(options.Subject)}, or remove it.");
        }
    }

    private static X509Certificate2 WithKey(X509Certificate2 certificate, string setting) =>
        certificate.HasPrivateKey
            ? certificate
            : throw new InvalidOperationException($"{setting} (\"{certificate.Subject}\") has no private key; load it with its key.");

    private static X509Certificate2 Find(TlsCertificateOptions options, string setting, TimeProvider clock)
    {
        try
        {
            using var store = new X509Store(options.Store, options.Location, OpenFlags.ReadOnly | OpenFlags.OpenExistingOnly);
            var now = clock.GetUtcNow();
            return store.Certificates.Find(X509FindType.FindBySubjectName, options.Subject!, validOnly: false)
                .Where(candidate => candidate.HasPrivateKey)
                .OrderByDescending(candidate => candidate.NotBefore.ToUniversalTime() <= now && candidate.NotAfter.ToUniversalTime() > now)
                .ThenByDescending(candidate => candidate.NotAfter)
                .FirstOrDefault() ?? throw NotFound("has no certificate with a private key for it");
        }
        catch (CryptographicException exception)
        {
            throw NotFound($"cannot be opened ({exception.Message.ReplaceLineEndings(" ").TrimEnd('.')})");
        }

        InvalidOperationException NotFound(string problem) =>
            new($"{setting}:{nameof(options.Subject)} = \"{options.Subject}\": the store {options.Store} of {options.Location} {problem}; set {nameof(options.Subject)}, {nameof(options.Store)} and {nameof(options.Location)} to where one is.");
    }
}
