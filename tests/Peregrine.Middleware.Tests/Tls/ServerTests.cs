using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Peregrine.Features;
using Peregrine.Server;

namespace Peregrine.Middleware.Tests.Tls;

/// <summary>TLS over real sockets: on a Peregrine server, with its limits and its close, and inside Kestrel.</summary>
public sealed class ServerTests : IDisposable
{
    private const int Megabyte = 1 << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("peregrine-tls-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, InlineData("ThreadPool"), InlineData("EventLoop"), InlineData("Inline")]
    public async Task An_answer_arrives_whole_though_the_handler_is_done_and_the_client_sends_on(string scheduling)
    {
        using var host = await StartAsync(
            tcp => tcp.UseTls(TestCertificates.Localhost).Run(async connection =>
            {
                connection.Transport.Input.AdvanceTo((await connection.Transport.Input.ReadAsync()).Buffer.End);
                await connection.Transport.Output.WriteAsync(new byte[Megabyte]);
            }),
            new() { ["Scheduling"] = scheduling });
        using var socket = await ConnectAsync(host);
        await using var tls = new SslStream(new NetworkStream(socket));
        await tls.AuthenticateAsClientAsync(TlsTest.ClientOptions());
        await tls.WriteAsync(new byte[4]);
        await tls.WriteAsync(new byte[4]);
        var buffer = new byte[64 * 1024];
        var received = 0;
        while (await tls.ReadAsync(buffer).AsTask().WaitAsync(TlsTest.Limit, TimeProvider.System) is > 0 and var count)
        {
            received += count;
            if (received == count)
            {
                await tls.WriteAsync(new byte[4]);
            }
        }

        Assert.Equal(Megabyte, received);
        socket.Close();
        await host.StopAsync();
    }

    [Fact]
    public async Task Half_a_hello_is_ended_by_the_handshakes_timeout_of_the_server()
    {
        var reason = ConnectionCloseReason.None;
        var called = false;
        using var host = await StartAsync(
            tcp => tcp
                .Use(next => async connection =>
                {
                    await next(connection);
                    reason = TlsTest.ReasonOf(connection);
                })
                .UseTls(TestCertificates.Localhost).Run(_ =>
                {
                    called = true;
                    return Task.CompletedTask;
                }),
            new() { ["Timeouts:Handshake"] = "00:00:00.2" });
        using var socket = await ConnectAsync(host);
        await socket.SendAsync(new byte[] { 0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3 });
        var error = await Assert.ThrowsAsync<SocketException>(async () => await socket.ReceiveAsync(new byte[1]).WaitAsync(TlsTest.Limit, TimeProvider.System));
        Assert.Equal(SocketError.ConnectionReset, error.SocketErrorCode);
        await host.StopAsync();
        Assert.Equal((ConnectionCloseReason.HandshakeTimeout, false), (reason, called));
    }

    [Fact]
    public async Task A_message_that_comes_too_slowly_in_small_records_is_ended_by_the_servers_read_rate()
    {
        using var host = await StartAsync(
            tcp => tcp.UseTls(TestCertificates.Localhost).Run(async connection => await connection.Transport.Input.ReadAtLeastAsync(100_000)),
            new() { ["Timeouts:MinReadRateInBytesPerSecond"] = "1000", ["Timeouts:MinReadRateGrace"] = "00:00:01" });
        using var socket = await ConnectAsync(host);
        await using var tls = new SslStream(new NetworkStream(socket));
        await tls.AuthenticateAsClientAsync(TlsTest.ClientOptions());
        using var over = new CancellationTokenSource(TlsTest.Limit, TimeProvider.System);
        await Assert.ThrowsAsync<IOException>(async () =>
        {
            while (true)
            {
                await tls.WriteAsync(new byte[1], over.Token);
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, over.Token);
            }
        });
        await host.StopAsync();
    }

    [Fact]
    public async Task The_section_of_an_endpoint_puts_TLS_in_front_of_its_pipeline()
    {
        using var certificate = TestCertificates.Create("localhost");
        using var other = TestCertificates.Create("*.example.com");
        Write(certificate, "tls");
        Write(other, "other");
        await File.WriteAllTextAsync(Path.Combine(_folder, "roots.pem"), TestCertificates.Roots[0].ExportCertificatePem());
        SslApplicationProtocol protocol = default;
        using var host = await StartAsync(
            tcp => tcp.Run(connection =>
            {
                protocol = connection.Features.Get<ITlsConnectionFeature>()!.ApplicationProtocol;
                return TlsTest.EchoAsync(connection);
            }),
            new()
            {
                ["Tls:Certificate:Path"] = Path.Combine(_folder, "tls.crt"),
                ["Tls:Certificate:KeyPath"] = Path.Combine(_folder, "tls.key"),
                ["Tls:Hosts:*.example.com:Certificate:Path"] = Path.Combine(_folder, "other.crt"),
                ["Tls:Hosts:*.example.com:Certificate:KeyPath"] = Path.Combine(_folder, "other.key"),
                ["Tls:ApplicationProtocols:0"] = "mine/1",
                ["Tls:ClientCertificates"] = "Allow",
                ["Tls:TrustedRootsPath"] = Path.Combine(_folder, "roots.pem"),
                ["Tls:Protocols"] = "Tls13",
            });
        using var socket = await ConnectAsync(host);
        await using var tls = new SslStream(new NetworkStream(socket));
        var client = TlsTest.ClientOptions("a.example.com");
        client.ApplicationProtocols = [new("mine/1")];
        client.RemoteCertificateValidationCallback = (_, peer, _, _) => peer?.Subject == "CN=*.example.com";
        await tls.AuthenticateAsClientAsync(client);
        await tls.WriteAsync(new byte[5]);
        await tls.ReadExactlyAsync(new byte[5]);
        Assert.Equal((new SslApplicationProtocol("mine/1"), SslProtocols.Tls13), (protocol, tls.SslProtocol));
        socket.Close();
        await host.StopAsync();
    }

    [Theory]
    [InlineData("Tls:Certificate:Path", "/nowhere", "Peregrine:Endpoints:tls:Tls:Certificate:Path = \"/nowhere\": there is no such file; set the path of a PEM or PFX file.")]
    [InlineData("Tls:Sni", "x", "Peregrine:Endpoints:tls:Tls:Sni is not a setting; TLS takes ")]
    [InlineData("Tls:Certificate:Pfad", "x", "Peregrine:Endpoints:tls:Tls:Certificate:Pfad is not a setting; a certificate takes ")]
    [InlineData("Tls:Protocols", "Tls11", "Peregrine:Endpoints:tls:Tls:Protocols = \"Tls11\" is not Tls12, Tls13, or ")]
    [InlineData("Tls:ClientCertificates", "Maybe", "Peregrine:Endpoints:tls:Tls:ClientCertificates = \"Maybe\" is not None, Allow or Require.")]
    [InlineData("Tls:RefuseUnknownHosts", "true", "Peregrine:Endpoints:tls:Tls:Certificate is missing; set Path")]
    [InlineData("Tls:TrustedRootsPath", "/nowhere", "Peregrine:Endpoints:tls:Tls:TrustedRootsPath = \"/nowhere\": it cannot be read")]
    public async Task A_setting_that_cannot_be_ends_the_start_with_one_line(string key, string value, string expected)
    {
        var thrown = await Assert.ThrowsAsync<PeregrineStartException>(() => StartAsync(tcp => tcp.Run(TlsTest.EchoAsync), new() { [key] = value }));
        Assert.StartsWith(expected, thrown.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("\n", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_line_works_inside_Kestrel()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseTls(TestCertificates.Localhost).Run(TlsTest.EchoAsync)));
        await using var app = builder.Build();
        await app.StartAsync();
        var port = new Uri(app.Urls.First()).Port;
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port);
        await using var tls = new SslStream(new NetworkStream(socket));
        await tls.AuthenticateAsClientAsync(TlsTest.ClientOptions());
        var sent = new byte[300_000];
        Random.Shared.NextBytes(sent);
        var writing = tls.WriteAsync(sent).AsTask();
        var received = new byte[sent.Length];
        await tls.ReadExactlyAsync(received).AsTask().WaitAsync(TlsTest.Limit, TimeProvider.System);
        await writing;
        Assert.Equal(sent, received);
        await tls.ShutdownAsync();
        Assert.Equal(0, await tls.ReadAsync(received).AsTask().WaitAsync(TlsTest.Limit, TimeProvider.System));

        using var plain = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await plain.ConnectAsync(IPAddress.Loopback, port);
        await plain.SendAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
        var bytes = await plain.ReceiveAsync(received).WaitAsync(TlsTest.Limit, TimeProvider.System);
        Assert.True(bytes == 0 || received[0] == 21, "An alert, or nothing.");
        socket.Close();
        plain.Close();
        await app.StopAsync();
    }

    private static async Task<IHost> StartAsync(Action<IConnectionBuilder> pipeline, Dictionary<string, string?> settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create($"Peregrine:Endpoints:tls:{setting.Key}", setting.Value)));
        builder.Services.AddPeregrine(server => server
            .Listen("tls", "tcp://127.0.0.1:0", pipeline)
            .Configure(options =>
            {
                options.ThrowOnStartFailure = true;
                options.ShutdownTimeout = TimeSpan.FromSeconds(20);
            }));
        var host = builder.Build();
        try
        {
            await host.StartAsync();
        }
        catch
        {
            host.Dispose();
            throw;
        }

        return host;
    }

    private static async Task<Socket> ConnectAsync(IHost host)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0]);
        return socket;
    }

    private void Write(X509Certificate2 certificate, string name)
    {
        File.WriteAllText(Path.Combine(_folder, name + ".crt"), certificate.ExportCertificatePem());
        using var key = certificate.GetECDsaPrivateKey()!;
        File.WriteAllText(Path.Combine(_folder, name + ".key"), key.ExportPkcs8PrivateKeyPem());
    }
}
