using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine.Features;
using Peregrine.IntegrationTests.Processes;
using Peregrine.Middleware;
using Peregrine.Middleware.Tests.Tls;
using Peregrine.Server;

namespace Peregrine.IntegrationTests.Tls;

/// <summary>TLS with peers that are not the runtime's: openssl and curl.</summary>
public sealed class OpenSslTests : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("peregrine-tls-").FullName;
    private readonly ConcurrentQueue<string> _handled = new();
    private IHost? _host;

    public Task InitializeAsync() => File.WriteAllTextAsync(PathOf("root.pem"), TestCertificates.Roots[0].ExportCertificatePem());

    public async Task DisposeAsync()
    {
        if (_host is not null)
        {
            await _host.StopAsync().WaitAsync(Limit, TimeProvider.System);
            _host.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    [RequiresProgramFact("openssl")]
    public async Task Both_versions_are_spoken_and_older_ones_are_not()
    {
        await StartAsync(_ => { });
        var tls13 = await AskAsync("-tls1_3");
        Assert.Contains("TLSv1.3, Cipher is TLS_", tls13, StringComparison.Ordinal);
        Assert.Contains("answer to hello", tls13, StringComparison.Ordinal);
        var tls12 = await AskAsync("-tls1_2");
        Assert.Contains("TLSv1.2, Cipher is ECDHE-", tls12, StringComparison.Ordinal);
        Assert.Contains("answer to hello", tls12, StringComparison.Ordinal);
        foreach (var old in (string[])["-tls1_1", "-tls1"])
        {
            var refused = await AskAsync($"{old} -cipher DEFAULT@SECLEVEL=0");
            Assert.Contains("alert protocol version", refused, StringComparison.Ordinal);
            Assert.DoesNotContain("answer to", refused, StringComparison.Ordinal);
        }

        Assert.Equal(2, _handled.Count);
    }

    [RequiresProgramFact("openssl")]
    public async Task The_applications_protocol_is_agreed_on_or_refused()
    {
        await StartAsync(options => options.ApplicationProtocols = [new SslApplicationProtocol("peregrine/1")]);
        Assert.Contains("ALPN protocol: peregrine/1", await AskAsync("-alpn other,peregrine/1"), StringComparison.Ordinal);
        Assert.Contains("no application protocol", await AskAsync("-alpn other"), StringComparison.Ordinal);
        Assert.Equal(["peregrine/1"], _handled);
    }

    [RequiresProgramFact("openssl")]
    public async Task Hosts_have_their_certificates_and_unknown_ones_an_alert()
    {
        await StartAsync(options =>
        {
            options.Hosts["localhost"] = new TlsHostOptions { Certificate = { Value = TestCertificates.Localhost } };
            options.Hosts["*.example.com"] = new TlsHostOptions { Certificate = { Value = TestCertificates.Create("*.example.com") } };
            options.RefuseUnknownHosts = true;
        });
        Assert.Contains("CN = localhost", await AskAsync(""), StringComparison.Ordinal);
        Assert.Contains("CN = *.example.com", await AskAsync("", host: "a.example.com"), StringComparison.Ordinal);
        Assert.Contains("unrecognized name", await AskAsync("", host: "elsewhere.org"), StringComparison.Ordinal);
        Assert.Equal(2, _handled.Count);
    }

    [RequiresProgramFact("openssl")]
    public async Task A_second_handshake_is_resumed_also_with_hosts()
    {
        await StartAsync(options =>
        {
            options.Certificate.Value = TestCertificates.Localhost;
            options.Hosts["a.example.com"] = new TlsHostOptions { Certificate = { Value = TestCertificates.Create("a.example.com") } };
        });
        foreach (var (version, host) in ((string, string)[])[("-tls1_3", "localhost"), ("-tls1_2", "localhost"), ("-tls1_3", "a.example.com"), ("-tls1_2", "a.example.com")])
        {
            var session = PathOf($"session{version}{host}");
            Assert.Contains("New, TLS", await AskAsync($"{version} -sess_out {session}", host), StringComparison.Ordinal);
            Assert.Contains("Reused, TLS", await AskAsync($"{version} -sess_in {session}", host), StringComparison.Ordinal);
        }
    }

    [RequiresProgramFact("openssl")]
    public async Task Client_certificates_are_wanted_good()
    {
        Write(TestCertificates.Create("good"), "good");
        Write(TestCertificates.Create("stranger", TestCertificates.CreateRoot("a root that nobody trusts")), "stranger");
        await StartAsync(options =>
        {
            options.ClientCertificates = TlsClientCertificateMode.Require;
            options.TrustedRoots = TestCertificates.Roots;
        });
        foreach (var version in (string[])["-tls1_3", "-tls1_2"])
        {
            Assert.Contains("answer to hello", await AskAsync($"{version} {Client("good")}"), StringComparison.Ordinal);

            // On Linux, SslStream has no alert for it: the connection ends.
            Assert.DoesNotContain("answer to", await AskAsync($"{version} {Client("stranger")}"), StringComparison.Ordinal);
            Assert.DoesNotContain("answer to", await AskAsync(version), StringComparison.Ordinal);
        }

        Assert.Equal(2, _handled.Count);

        string Client(string name) => $"-cert {PathOf(name + ".crt")} -key {PathOf(name + ".key")}";
    }

    [RequiresProgramFact("openssl")]
    public async Task A_client_whose_certificate_comes_through_an_authority_between_is_served_each_time()
    {
        using var between = TestCertificates.Create("between", isAuthority: true);
        Write(between, "between");
        Write(TestCertificates.Create("good", between), "good");
        await StartAsync(options =>
        {
            options.ClientCertificates = TlsClientCertificateMode.Require;
            options.TrustedRoots = TestCertificates.Roots;
        });
        foreach (var version in (string[])["-tls1_3", "-tls1_2"])
        {
            // What a session keeps of the client is its own certificate only.
            var session = PathOf($"session{version}");
            var client = $"{version} -cert {PathOf("good.crt")} -key {PathOf("good.key")} -cert_chain {PathOf("between.crt")}";
            Assert.Contains("answer to hello", await AskAsync($"{client} -sess_out {session}"), StringComparison.Ordinal);
            Assert.Contains("answer to hello", await AskAsync(File.Exists(session) ? $"{client} -sess_in {session}" : client), StringComparison.Ordinal);
        }
    }

    [RequiresProgramFact("openssl")]
    public async Task Renegotiation_is_refused()
    {
        await StartAsync(_ => { });
        // SslStream has no answer to it: the connection is reset.
        var output = await RunAsync($"(sleep 1; echo R; sleep 1; echo hello) | timeout 20 openssl s_client -tls1_2 {Arguments("localhost")}");
        Assert.Contains("RENEGOTIATING", output, StringComparison.Ordinal);
        Assert.Contains("errno=104", output, StringComparison.Ordinal);
        Assert.DoesNotContain("answer to", output, StringComparison.Ordinal);
    }

    [RequiresProgramFact("openssl")]
    public async Task Only_forward_secret_suites_without_known_weaknesses_are_spoken()
    {
        await StartAsync(_ => { });
        var offered = (await RunAsync("openssl ciphers -tls1_2 'ALL:COMPLEMENTOFALL:@SECLEVEL=0'")).Trim().Split(':')
            .Where(name => !name.StartsWith("TLS_", StringComparison.Ordinal)).ToArray();
        Assert.True(offered.Length > 50);

        // All that the server takes: what it has chosen is left out the next time.
        var accepted = new List<string>();
        while (true)
        {
            var rest = string.Join(':', offered.Except(accepted));
            var output = await AskAsync($"-tls1_2 -cipher {rest}:@SECLEVEL=0");
            var start = output.IndexOf("Cipher is ", StringComparison.Ordinal) + "Cipher is ".Length;
            var chosen = output[start..output.IndexOf('\n', start)].Trim();
            if (chosen is "(NONE)")
            {
                break;
            }

            accepted.Add(chosen);
        }

        Assert.NotEmpty(accepted);
        Assert.All(accepted, name => Assert.StartsWith("ECDHE-", name, StringComparison.Ordinal));
        Assert.DoesNotContain(accepted, name => name.Contains("NULL", StringComparison.Ordinal) || name.Contains("RC4", StringComparison.Ordinal) || name.Contains("DES", StringComparison.Ordinal));
    }

    [RequiresProgramFact("openssl")]
    public async Task A_client_that_leaves_at_once_harms_nobody()
    {
        await StartAsync(_ => { });
        for (var i = 0; i < 5; i++)
        {
            await RunAsync($"timeout 20 openssl s_client {Arguments("localhost")} </dev/null");
        }

        Assert.Contains("answer to hello", await AskAsync(""), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Garbage_to_the_port_is_answered_by_an_alert_or_an_end_and_never_handled()
    {
        await StartAsync(_ => { });
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(Address);
        await socket.SendAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        var answer = new byte[100];
        var count = await socket.ReceiveAsync(answer).WaitAsync(Limit, TimeProvider.System);
        Assert.True(count == 0 || answer[0] == 21);
        socket.Close();
        Assert.Empty(_handled);
    }

    [RequiresProgramFact("curl")]
    public async Task Curl_gets_a_page_over_https()
    {
        await StartAsync(_ => { });
        var page = await RunAsync(
            $"curl -sS --max-time 30 --cacert {PathOf("root.pem")} --resolve localhost:{Address.Port}:127.0.0.1 https://localhost:{Address.Port}/");
        Assert.Contains("a page", page, StringComparison.Ordinal);
    }

    private IPEndPoint Address => (IPEndPoint)_host!.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0];

    /// <summary>Answers a line, or a request of HTTP, and is done.</summary>
    private async Task AnswerAsync(ConnectionContext connection)
    {
        _handled.Enqueue(connection.Features.Get<ITlsConnectionFeature>()!.ApplicationProtocol.ToString());
        var input = connection.Transport.Input;
        while (true)
        {
            var read = await input.ReadAsync();
            var text = Encoding.ASCII.GetString(read.Buffer);
            var isHttp = text.StartsWith("GET ", StringComparison.Ordinal);
            if (isHttp ? text.Contains("\r\n\r\n", StringComparison.Ordinal) : text.Contains('\n', StringComparison.Ordinal))
            {
                input.AdvanceTo(read.Buffer.End);
                var answer = isHttp ? "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\na page\n" : $"answer to {text}";
                await connection.Transport.Output.WriteAsync(Encoding.ASCII.GetBytes(answer));
                return;
            }

            input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            if (read.IsCompleted)
            {
                return;
            }
        }
    }

    private async Task StartAsync(Action<TlsOptions> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddPeregrine(server => server.Listen("tls", "tcp://127.0.0.1:0", tcp => tcp
            .UseTls(options =>
            {
                configure(options);
                if (options.Hosts.Count == 0)
                {
                    options.Certificate.Value = TestCertificates.Localhost;
                }
            })
            .Run(AnswerAsync)));
        _host = builder.Build();
        await _host.StartAsync();
    }

    private string Arguments(string host) => $"-connect 127.0.0.1:{Address.Port} -servername {host} -CAfile {PathOf("root.pem")}";

    /// <summary>Says hello by openssl s_client, and returns all that it has printed.</summary>
    private Task<string> AskAsync(string arguments, string host = "localhost") =>
        RunAsync($"echo hello | timeout 30 openssl s_client -ign_eof {Arguments(host)} {arguments}");

    private static Task<string> RunAsync(string command) => ClientProcess.RunShellAsync($"({command}) 2>&1; true");

    private string PathOf(string name) => Path.Combine(_folder, name);

    private void Write(X509Certificate2 certificate, string name)
    {
        File.WriteAllText(PathOf(name + ".crt"), certificate.ExportCertificatePem());
        using var key = certificate.GetECDsaPrivateKey()!;
        File.WriteAllText(PathOf(name + ".key"), key.ExportPkcs8PrivateKeyPem());
    }
}
