using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Peregrine.Middleware.Tests.Tls;

public sealed class CertificateTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("peregrine-tls-").FullName;
    private readonly FakeTimeProvider _clock = new(TimeProvider.System.GetUtcNow());

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("pair")]
    [InlineData("encrypted")]
    [InlineData("one file")]
    [InlineData("pfx")]
    public async Task A_certificate_comes_from_files(string kind)
    {
        using var certificate = TestCertificates.Create("localhost");
        var (path, key, password) = (Path("tls.crt"), Path("tls.key"), (string?)null);
        switch (kind)
        {
            case "pair":
                Write(path, certificate.ExportCertificatePem(), key, KeyOf(certificate));
                break;
            case "encrypted":
                password = "secret";
                Write(path, certificate.ExportCertificatePem(), key, KeyOf(certificate, password));
                break;
            case "one file":
                File.WriteAllText(path, KeyOf(certificate) + "\n" + certificate.ExportCertificatePem());
                key = null;
                break;
            default:
                password = "secret";
                File.WriteAllBytes(path, certificate.Export(X509ContentType.Pfx, password));
                key = null;
                break;
        }

        await using var test = await TlsTest.StartAsync(options => options.Certificate = new() { Path = path, KeyPath = key, Password = password });
        Assert.Equal("CN=localhost", await test.TryOnceAsync());
    }

    [Fact]
    public async Task The_authorities_of_the_file_are_sent_wherever_they_are_in_it()
    {
        using var authority = TestCertificates.Create("authority", isAuthority: true);
        using var certificate = TestCertificates.Create("localhost", authority);
        Write(Path("tls.crt"), authority.ExportCertificatePem() + "\n" + certificate.ExportCertificatePem(), Path("tls.key"), KeyOf(certificate));
        await using var test = await TlsTest.StartAsync(options => options.Certificate = new() { Path = Path("tls.crt"), KeyPath = Path("tls.key") });

        // The client knows the root only.
        Assert.Equal("CN=localhost", await test.TryOnceAsync());
    }

    [Theory]
    [InlineData("missing", "Tls:Certificate:Path = \"", "there is no such file")]
    [InlineData("missing key", "Tls:Certificate:KeyPath = \"", "there is no such file")]
    [InlineData("another key", "Tls:Certificate:KeyPath = \"", "is not that of a certificate")]
    [InlineData("no key", "Tls:Certificate:Path = \"", "it has no private key; set KeyPath")]
    [InlineData("wrong password", "Tls:Certificate:Password: ", "does not open with it")]
    [InlineData("no password", "Tls:Certificate:Password: ", "it is missing")]
    [InlineData("wrong pfx password", "Tls:Certificate:Password: ", "it is wrong")]
    [InlineData("garbage", "Tls:Certificate:Path = \"", "it is neither PEM nor PFX")]
    [InlineData("nothing", "Tls:Certificate is missing", "set Path")]
    [InlineData("two", "Tls:Certificate is set in more than one way", "set Path")]
    [InlineData("no subject", "Tls:Certificate:Subject = \"nobody has this one\"", "the store My of CurrentUser")]
    [InlineData("a folder", "Tls:Certificate:Path = \"", "it cannot be read")]
    [InlineData("a key without a file", "Tls:Certificate:KeyPath is set", "set Path, or remove it")]
    [InlineData("a password without a file", "Tls:Certificate:Password is set", "set Path, or remove it")]
    [InlineData("a store without a subject", "Tls:Certificate:Store is set", "set Subject, or remove it")]
    [InlineData("a location without a subject", "Tls:Certificate:Location is set", "set Subject, or remove it")]
    public async Task What_cannot_be_had_is_told_at_the_start_in_one_line(string kind, string beginning, string problem)
    {
        using var certificate = TestCertificates.Create("localhost");
        using var other = TestCertificates.Create("localhost");
        var (path, key) = (Path("tls.crt"), Path("tls.key"));
        Write(path, certificate.ExportCertificatePem(), key, KeyOf(certificate, kind.EndsWith("password", StringComparison.Ordinal) ? "secret" : null));
        TlsCertificateOptions options = new() { Path = path, KeyPath = key };
        switch (kind)
        {
            case "missing":
                options.Path = Path("elsewhere");
                break;
            case "missing key":
                options.KeyPath = Path("elsewhere");
                break;
            case "another key":
                File.WriteAllText(key, KeyOf(other));
                break;
            case "no key":
                options.KeyPath = null;
                break;
            case "wrong password":
                options.Password = "guess";
                break;
            case "wrong pfx password":
                File.WriteAllBytes(path, certificate.Export(X509ContentType.Pfx, "secret"));
                options = new() { Path = path, Password = "guess" };
                break;
            case "garbage":
                File.WriteAllText(path, "nothing of the kind");
                options.KeyPath = null;
                break;
            case "nothing":
                options = new();
                break;
            case "two":
                options.Subject = "localhost";
                break;
            case "no subject":
                options = new() { Subject = "nobody has this one" };
                break;
            case "a folder":
                options.Path = _folder;
                break;
            case "a key without a file":
                options = new() { Value = certificate, KeyPath = key };
                break;
            case "a password without a file":
                options = new() { Subject = "localhost", Password = "guess" };
                break;
            case "a store without a subject":
                options.Store = StoreName.Root;
                break;
            case "a location without a subject":
                options = new() { Value = certificate, Location = StoreLocation.LocalMachine };
                break;
        }

        var thrown = await Assert.ThrowsAsync<InvalidOperationException>(async () => await TlsTest.StartAsync(tls => tls.Certificate = options));
        Assert.StartsWith(beginning, thrown.Message, StringComparison.Ordinal);
        Assert.Contains(problem, thrown.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("\n", thrown.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("guess", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_gives_the_certificate_of_a_subject_that_is_valid_has_a_key_and_lasts_longest()
    {
        var subject = $"store-{Guid.NewGuid():N}.example.com";
        var now = _clock.GetUtcNow();
        X509Certificate2[] certificates =
        [
            Kept(TestCertificates.Create(subject, notBefore: now.AddDays(-1), notAfter: now.AddDays(10))),
            Kept(TestCertificates.Create(subject, notBefore: now.AddDays(-1), notAfter: now.AddDays(20))),
            Kept(TestCertificates.Create(subject, notBefore: now.AddDays(30), notAfter: now.AddDays(40))),
            X509CertificateLoader.LoadCertificate(TestCertificates.Create(subject, notBefore: now.AddDays(-1), notAfter: now.AddDays(50)).RawData),
        ];
        using var store = new X509Store(StoreName.My, StoreLocation.CurrentUser, OpenFlags.ReadWrite);
        try
        {
            Array.ForEach(certificates, store.Add);
            await using var test = await TlsTest.StartAsync(options => options.Certificate.Subject = subject, clock: _clock);
            var client = TlsTest.ClientOptions(subject);
            X509Certificate? seen = null;
            client.RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
            {
                seen = certificate;
                return errors == SslPolicyErrors.None;
            };
            await test.TryOnceAsync(client);
            Assert.Equal(certificates[1].SerialNumber, seen!.GetSerialNumberString());
        }
        finally
        {
            Array.ForEach(certificates, certificate =>
            {
                store.Remove(certificate);
                certificate.Dispose();
            });
        }

        // With a key that outlives the process, where the platform tells the difference.
        static X509Certificate2 Kept(X509Certificate2 certificate) =>
            X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pfx), null, X509KeyStorageFlags.PersistKeySet | X509KeyStorageFlags.Exportable);
    }

    [Theory, InlineData(-10, -1, "has expired"), InlineData(1, 10, "is not valid before")]
    public async Task One_whose_time_is_not_now_is_a_warning(int from, int to, string expected)
    {
        var log = TlsTest.NewLog();
        var now = _clock.GetUtcNow();
        using var root = TestCertificates.CreateRoot("root");
        using var certificate = TestCertificates.Create("localhost", root, now.AddDays(from > 0 ? from : -1.5), now.AddDays(to > 0 ? to : -1));
        await using var test = await TlsTest.StartAsync(options => options.Certificate.Value = certificate, log: log);
        var (level, text) = Assert.Single(log);
        Assert.Equal(LogLevel.Warning, level);
        Assert.Contains(expected, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_swapped_link_brings_the_new_certificate_and_leaves_open_connections_alone()
    {
        // As Kubernetes mounts a secret: the files are links through a link to a folder, which is swapped.
        using var before = TestCertificates.Create("before");
        using var after = TestCertificates.Create("after");
        Directory.CreateDirectory(Path("1"));
        Write(Path("1/tls.crt"), before.ExportCertificatePem(), Path("1/tls.key"), KeyOf(before));
        File.CreateSymbolicLink(Path("..data"), "1");
        File.CreateSymbolicLink(Path("tls.crt"), "..data/tls.crt");
        File.CreateSymbolicLink(Path("tls.key"), "..data/tls.key");
        await using var test = await TlsTest.StartAsync(
            options => options.Certificate = new() { Path = Path("tls.crt"), KeyPath = Path("tls.key") }, clock: _clock);
        Assert.Equal("CN=before", await SubjectAsync(test));

        var (client, _, running) = await test.ConnectAsync();
        await using var open = TlsTest.StreamOver(client);
        await open.AuthenticateAsClientAsync(Anything());

        Directory.CreateDirectory(Path("2"));
        Write(Path("2/tls.crt"), after.ExportCertificatePem(), Path("2/tls.key"), KeyOf(after));
        File.CreateSymbolicLink(Path("..data_tmp"), "2");
        using (var rename = System.Diagnostics.Process.Start("mv", ["-T", Path("..data_tmp"), Path("..data")]))
        {
            await rename.WaitForExitAsync();
            Assert.Equal(0, rename.ExitCode);
        }

        Assert.Equal("CN=before", await SubjectAsync(test));
        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("CN=after", await SubjectAsync(test));

        await open.WriteAsync(new byte[3]);
        await open.ReadExactlyAsync(new byte[3]).AsTask().WaitAsync(TlsTest.Limit, TimeProvider.System);
        await open.ShutdownAsync();
        await client.DisposeAsync();
        await running;
    }

    [Fact]
    public async Task New_files_that_are_broken_or_half_there_keep_the_old_one_and_are_told_once()
    {
        var log = TlsTest.NewLog();
        using var before = TestCertificates.Create("before");
        using var after = TestCertificates.Create("after");
        Write(Path("tls.crt"), before.ExportCertificatePem(), Path("tls.key"), KeyOf(before));
        await using var test = await TlsTest.StartAsync(
            options => options.Certificate = new() { Path = Path("tls.crt"), KeyPath = Path("tls.key") }, clock: _clock, log: log);

        // The certificate first: its key is still the old one.
        File.WriteAllText(Path("tls.crt"), after.ExportCertificatePem());
        for (var i = 0; i < 3; i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(10));
            Assert.Equal("CN=before", await SubjectAsync(test));
        }

        Assert.Single(log, entry => entry.Level == LogLevel.Warning);
        File.Delete(Path("tls.key"));
        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("CN=before", await SubjectAsync(test));
        File.WriteAllText(Path("tls.key"), KeyOf(after)[..50]);
        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("CN=before", await SubjectAsync(test));
        Assert.Equal(3, log.Count(entry => entry.Level == LogLevel.Warning));

        File.WriteAllText(Path("tls.key"), KeyOf(after));
        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("CN=after", await SubjectAsync(test));
        Assert.Single(log, entry => entry.Level == LogLevel.Information);
    }

    [Fact]
    public async Task A_file_system_that_hangs_holds_up_one_handshake_only()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var before = TestCertificates.Create("before");
        Write(Path("tls.crt"), before.ExportCertificatePem(), Path("tls.key"), KeyOf(before));
        await using var test = await TlsTest.StartAsync(
            options => options.Certificate = new() { Path = Path("tls.crt"), KeyPath = Path("tls.key") }, clock: _clock);

        // Whoever opens it waits for a writer.
        File.Delete(Path("tls.crt"));
        using (var make = System.Diagnostics.Process.Start("mkfifo", [Path("tls.crt")]))
        {
            await make.WaitForExitAsync();
            Assert.Equal(0, make.ExitCode);
        }

        try
        {
            _clock.Advance(TimeSpan.FromSeconds(10));
            var first = SubjectAsync(test);
            while (!first.IsCompleted)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
                _clock.Advance(TimeSpan.FromMilliseconds(100));
            }

            Assert.Equal("CN=before", await first);
            _clock.Advance(TimeSpan.FromSeconds(1));

            // The clock stands: nothing ends a wait.
            Assert.Equal("CN=before", await SubjectAsync(test).WaitAsync(TlsTest.Limit, TimeProvider.System));
        }
        finally
        {
            using var writer = new FileStream(Path("tls.crt"), FileMode.Open, FileAccess.Write);
        }
    }

    private static Task<string> SubjectAsync(TlsTest test) => test.TryOnceAsync(Anything());

    private static System.Net.Security.SslClientAuthenticationOptions Anything()
    {
        var client = TlsTest.ClientOptions();
        client.RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null;
        return client;
    }

    private string Path(string name) => System.IO.Path.Combine(_folder, name);

    private static void Write(string path, string certificate, string keyPath, string key)
    {
        File.WriteAllText(path, certificate);
        File.WriteAllText(keyPath, key);
    }

    private static string KeyOf(X509Certificate2 certificate, string? password = null)
    {
        using var key = certificate.GetECDsaPrivateKey()!;
        return password is null
            ? key.ExportPkcs8PrivateKeyPem()
            : key.ExportEncryptedPkcs8PrivateKeyPem(password, new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000));
    }
}
