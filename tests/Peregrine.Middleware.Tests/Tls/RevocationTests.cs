using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Middleware.Tests.Tls;

/// <summary>Certificates that were revoked, on both sides.</summary>
public sealed class RevocationTests
{
    [Theory]
    [InlineData(X509RevocationMode.NoCheck, true, true)]
    [InlineData(X509RevocationMode.NoCheck, false, true)]
    [InlineData(X509RevocationMode.Online, true, false)]
    [InlineData(X509RevocationMode.Online, false, true)]
    public async Task A_client_is_served_as_its_authority_says(X509RevocationMode mode, bool isRevoked, bool isServed)
    {
        await using var list = new RevocationList();
        using var certificate = TestCertificates.Create("client", list.Authority, revocationList: list.Place);
        if (isRevoked)
        {
            list.Revoke(certificate);
        }

        Assert.Equal(isServed, await IsServedAsync(mode, list, certificate));
        Assert.Equal(mode == X509RevocationMode.Online, list.Requests > 0);
    }

    [Fact]
    public async Task A_client_whose_authority_does_not_answer_is_refused()
    {
        await using var list = new RevocationList();
        using var certificate = TestCertificates.Create("client", list.Authority, revocationList: list.Place);
        await list.CloseAsync();
        Assert.False(await IsServedAsync(X509RevocationMode.Online, list, certificate));
        Assert.True(await IsServedAsync(X509RevocationMode.NoCheck, list, certificate));
    }

    [Fact]
    public async Task Offline_asks_nobody_and_knows_what_was_answered_before()
    {
        await using var list = new RevocationList();
        using var good = TestCertificates.Create("good", list.Authority, revocationList: list.Place);
        using var revoked = TestCertificates.Create("revoked", list.Authority, revocationList: list.Place);
        list.Revoke(revoked);

        // Nothing is known yet.
        Assert.False(await IsServedAsync(X509RevocationMode.Offline, list, good));
        Assert.Equal(0, list.Requests);
        Assert.True(await IsServedAsync(X509RevocationMode.Online, list, good));
        await list.CloseAsync();
        Assert.True(await IsServedAsync(X509RevocationMode.Offline, list, good));
        Assert.False(await IsServedAsync(X509RevocationMode.Offline, list, revoked));
    }

    [Theory]
    [InlineData(X509RevocationMode.Online, true, false)]
    [InlineData(X509RevocationMode.Online, false, true)]
    [InlineData(X509RevocationMode.NoCheck, true, true)]
    public async Task A_server_is_trusted_as_its_authority_says(X509RevocationMode mode, bool isRevoked, bool isTrusted)
    {
        await using var list = new RevocationList();
        using var certificate = TestCertificates.Create("localhost", list.Authority, revocationList: list.Place);
        if (isRevoked)
        {
            list.Revoke(certificate);
        }

        await using var test = await TlsTest.StartAsync(options => options.Certificate.Value = certificate);
        var (client, _, _) = await test.ConnectAsync();
        var isConnected = false;
        var pipeline = new ConnectionBuilder(null!)
            .UseTlsClient(options =>
            {
                options.TargetHost = "localhost";
                options.TrustedRoots = [X509CertificateLoader.LoadCertificate(list.Authority.RawData)];
                options.RevocationMode = mode;
            })
            .Run(connection =>
            {
                isConnected = true;
                return Task.CompletedTask;
            }).Build();
        var failure = await Record.ExceptionAsync(() => pipeline(client).WaitAsync(TlsTest.Limit, TimeProvider.System));
        await client.DisposeAsync();
        Assert.Equal(isTrusted, isConnected);
        Assert.Equal(isTrusted ? null : typeof(AuthenticationException), failure?.GetType());
    }

    private static async Task<bool> IsServedAsync(X509RevocationMode mode, RevocationList list, X509Certificate2 certificate)
    {
        var log = TlsTest.NewLog();
        await using var test = await TlsTest.StartAsync(
            options =>
            {
                options.Certificate.Value = TestCertificates.Localhost;
                options.ClientCertificates = TlsClientCertificateMode.Require;
                options.TrustedRoots = [X509CertificateLoader.LoadCertificate(list.Authority.RawData)];
                options.RevocationMode = mode;
            },
            log: log);
        var client = TlsTest.ClientOptions();
        client.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true);
        var failure = await Record.ExceptionAsync(() => test.TryOnceAsync(client));
        if (failure is null)
        {
            return true;
        }

        Assert.Empty(test.Handled);
        Assert.Contains(log, entry => entry.Text.Contains("certificate_refused", StringComparison.Ordinal));
        return false;
    }
}
