using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;

namespace Peregrine.Middleware.Tests.Tls;

public sealed class HandshakeTests
{
    private static readonly SslApplicationProtocol s_mine = new("peregrine/1");

    [Fact]
    public async Task The_handler_sees_what_is_inside_and_what_the_handshake_has_brought()
    {
        await using var test = await TlsTest.StartAsync(options =>
        {
            options.Certificate.Value = TestCertificates.Localhost;
            options.ApplicationProtocols = [s_mine];
        });
        var client = TlsTest.ClientOptions();
        client.ApplicationProtocols = [new("other"), s_mine];
        await test.TryOnceAsync(client);
        var features = Assert.Single(test.Handled).Features;
        var connection = features.Get<ITlsConnectionFeature>()!;
        Assert.Equal((s_mine, "localhost", null), (connection.ApplicationProtocol, connection.HostName, connection.PeerCertificate));
        Assert.Equal(SslProtocols.Tls13, features.Get<ITlsHandshakeFeature>()!.Protocol);
    }

    [Theory]
    [InlineData("example.com", "CN=example.com")]
    [InlineData("EXAMPLE.com", "CN=example.com")]
    [InlineData("a.example.com", "CN=a.example.com")]
    [InlineData("b.example.com", "CN=*.example.com")]
    [InlineData("c.b.example.com", "CN=localhost")]
    [InlineData("elsewhere.org", "CN=localhost")]
    public async Task The_certificate_is_that_of_the_host(string host, string subject)
    {
        await using var test = await TlsTest.StartAsync(options =>
        {
            options.Certificate.Value = TestCertificates.Localhost;
            foreach (var name in (string[])["example.com", "a.example.com", "*.example.com"])
            {
                options.Hosts[name] = new TlsHostOptions { Certificate = { Value = TestCertificates.Create(name) } };
            }
        });
        var client = TlsTest.ClientOptions(host);
        client.RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null;
        Assert.Equal(subject, await test.TryOnceAsync(client));
    }

    [Fact]
    public async Task A_host_that_is_not_served_can_be_refused()
    {
        var log = TlsTest.NewLog();
        await using var test = await TlsTest.StartAsync(
            options =>
            {
                options.Hosts["localhost"] = new TlsHostOptions { Certificate = { Value = TestCertificates.Localhost } };
                options.RefuseUnknownHosts = true;
            },
            log: log);
        Assert.Equal("CN=localhost", await test.TryOnceAsync());
        await Assert.ThrowsAsync<AuthenticationException>(() => test.TryOnceAsync(TlsTest.ClientOptions("example.com")));
        Assert.Single(test.Handled);
        Assert.Contains(log, entry => entry.Text.Contains("unknown_host", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_client_with_other_protocols_is_refused_and_one_without_is_served()
    {
        await using var test = await TlsTest.StartAsync(options =>
        {
            options.Certificate.Value = TestCertificates.Localhost;
            options.ApplicationProtocols = [s_mine];
        });
        var client = TlsTest.ClientOptions();
        client.ApplicationProtocols = [new("other")];
        await Assert.ThrowsAsync<AuthenticationException>(() => test.TryOnceAsync(client));
        Assert.Empty(test.Handled);
        await test.TryOnceAsync();
        Assert.Single(test.Handled);
    }

    [Theory]
    [InlineData(TlsClientCertificateMode.Require, "good", true)]
    [InlineData(TlsClientCertificateMode.Require, "stranger", false)]
    [InlineData(TlsClientCertificateMode.Require, "expired", false)]
    [InlineData(TlsClientCertificateMode.Require, "refused", false)]
    [InlineData(TlsClientCertificateMode.Require, "none", false)]
    [InlineData(TlsClientCertificateMode.Allow, "none", true)]
    [InlineData(TlsClientCertificateMode.Allow, "good", true)]
    [InlineData(TlsClientCertificateMode.Allow, "stranger", false)]
    public async Task Client_certificates_are_validated(TlsClientCertificateMode mode, string kind, bool isServed)
    {
        var log = TlsTest.NewLog();
        await using var test = await TlsTest.StartAsync(
            options =>
            {
                options.Certificate.Value = TestCertificates.Localhost;
                options.ClientCertificates = mode;
                options.TrustedRoots = TestCertificates.Roots;
                options.ClientCertificateValidation = (certificate, _) => certificate.Subject != "CN=refused";
            },
            log: log);
        var client = TlsTest.ClientOptions();
        using var certificate = CreateClientCertificate(kind);
        if (certificate is not null)
        {
            client.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true);
        }

        if (isServed)
        {
            await test.TryOnceAsync(client);
            Assert.Equal(certificate?.Subject, Assert.Single(test.Handled).Features.Get<ITlsConnectionFeature>()!.PeerCertificate?.Subject);
            return;
        }

        // With TLS 1.3 a client is done before the server has looked at its certificate: the refusal is the first that it reads.
        await Assert.ThrowsAnyAsync<Exception>(() => test.TryOnceAsync(client));
        Assert.Empty(test.Handled);
        Assert.Contains(log, entry => entry.Text.Contains("certificate_refused", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Any_client_certificate_is_accepted_where_the_option_says_so()
    {
        await using var test = await TlsTest.StartAsync(options =>
        {
            options.Certificate.Value = TestCertificates.Localhost;
            options.ClientCertificates = TlsClientCertificateMode.Require;
            options.DangerousAcceptAnyClientCertificate = true;
        });
        var client = TlsTest.ClientOptions();
        using var certificate = CreateClientCertificate("stranger");
        client.ClientCertificateContext = SslStreamCertificateContext.Create(certificate!, null, offline: true);
        await test.TryOnceAsync(client);
        Assert.Single(test.Handled);
    }

    [Theory]
    [InlineData("localhost", true, false, true)]
    [InlineData("example.com", true, false, false)]
    [InlineData("localhost", false, false, false)]
    [InlineData("example.com", false, true, true)]
    public async Task A_client_trusts_the_right_certificate_for_the_right_name_only(string host, bool trusts, bool isDangerous, bool succeeds)
    {
        await using var test = await TlsTest.StartAsync(options => options.Certificate.Value = TestCertificates.Localhost);
        var (client, _, _) = await test.ConnectAsync();
        var isConnected = false;
        var pipeline = new ConnectionBuilder(EmptyServices.Instance)
            .UseTlsClient(options =>
            {
                options.TargetHost = host;
                options.TrustedRoots = trusts ? TestCertificates.Roots : [TestCertificates.CreateRoot("another root")];
                options.DangerousAcceptAnyServerCertificate = isDangerous;
            })
            .Run(async connection =>
            {
                isConnected = true;
                await connection.Transport.Output.WriteAsync(new byte[] { 7 });
                var read = await connection.Transport.Input.ReadAsync();
                Assert.Equal(7, read.Buffer.FirstSpan[0]);
            }).Build();
        var failure = await Record.ExceptionAsync(() => pipeline(client).WaitAsync(TlsTest.Limit, TimeProvider.System));
        await client.DisposeAsync();
        Assert.Equal(succeeds, isConnected);
        Assert.Equal(succeeds ? null : typeof(AuthenticationException), failure?.GetType());
    }

    [Fact]
    public async Task What_is_changed_behind_the_build_of_the_pipeline_has_no_effect()
    {
        using var root = TestCertificates.CreateRoot("another root");
        using var stranger = TestCertificates.Create("stranger", root);
        TlsOptions? options = null;
        await using var test = await TlsTest.StartAsync(built =>
        {
            options = built;
            built.ClientCertificates = TlsClientCertificateMode.Require;
            built.TrustedRoots = TestCertificates.Roots;
            built.Hosts["localhost"] = new TlsHostOptions { Certificate = { Value = TestCertificates.Localhost }, ApplicationProtocols = [s_mine] };
            built.RefuseUnknownHosts = true;
        });
        options!.ClientCertificates = TlsClientCertificateMode.None;
        options.DangerousAcceptAnyClientCertificate = true;
        options.TrustedRoots!.Add(X509CertificateLoader.LoadCertificate(root.RawData));
        options.Hosts["localhost"].ClientCertificates = TlsClientCertificateMode.None;
        options.Hosts["localhost"].ApplicationProtocols!.Clear();
        options.RefuseUnknownHosts = false;
        options.AllowSessionResumption = false;
        var client = TlsTest.ClientOptions();
        client.ClientCertificateContext = SslStreamCertificateContext.Create(stranger, null, offline: true);
        await Assert.ThrowsAnyAsync<Exception>(() => test.TryOnceAsync(client));
        Assert.Empty(test.Handled);
        await Assert.ThrowsAsync<AuthenticationException>(() => test.TryOnceAsync(TlsTest.ClientOptions("example.com")));
        using var good = TestCertificates.Create("good");
        client.ClientCertificateContext = SslStreamCertificateContext.Create(good, null, offline: true);
        client.ApplicationProtocols = [s_mine];
        await test.TryOnceAsync(client);
        Assert.Equal(s_mine, Assert.Single(test.Handled).Features.Get<ITlsConnectionFeature>()!.ApplicationProtocol);
    }

    [Fact]
    public async Task A_handshake_has_its_time_also_where_the_server_has_none_for_it()
    {
        var clock = new FakeTimeProvider();
        await using var test = await TlsTest.StartAsync(options => options.Certificate.Value = TestCertificates.Localhost, clock: clock);
        var (client, server, running) = await test.ConnectAsync();
        Assert.False(running.IsCompleted);
        while (!running.IsCompleted)
        {
            clock.Advance(TimeSpan.FromSeconds(11));
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        await running;
        Assert.Equal(ConnectionCloseReason.HandshakeTimeout, TlsTest.ReasonOf(server));
        Assert.Empty(test.Handled);
        await client.DisposeAsync();
    }

    private static X509Certificate2? CreateClientCertificate(string kind)
    {
        var now = TimeProvider.System.GetUtcNow();
        return kind switch
        {
            "none" => null,
            "stranger" => TestCertificates.Create("stranger", TestCertificates.CreateRoot("a root that nobody trusts")),
            "expired" => TestCertificates.Create("expired", notBefore: now.AddDays(-2), notAfter: now.AddDays(-1)),
            _ => TestCertificates.Create(kind),
        };
    }
}
