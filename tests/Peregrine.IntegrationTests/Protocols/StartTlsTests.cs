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
using Peregrine.Protocols;
using Peregrine.Server;

namespace Peregrine.IntegrationTests.Protocols;

/// <summary>A protocol of lines that goes on inside TLS on the same connection (as RFC 3207 for SMTP).</summary>
public sealed class StartTlsTests : IAsyncLifetime
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);
    private static readonly LineOptions s_lines = new() { Ending = LineEnding.CrLf, MaxMessageSizeInBytes = 512 };
    private static readonly TextMessageReader s_reader = new(new LineReader(s_lines));
    private static readonly TextMessageWriter s_writer = new(new LineWriter(s_lines));

    private readonly ConcurrentQueue<(string Line, bool IsSecured)> _handled = new();
    private readonly IHost _host;

    public StartTlsTests()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddPeregrine(server => server.Listen("lines", "tcp://127.0.0.1:0", tcp =>
        {
            // What follows inside TLS is a pipeline of its own, which the handler runs on its connection.
            var secured = new ConnectionBuilder(tcp.ApplicationServices).UseTls(TestCertificates.Localhost).Run(ServeSecuredAsync).Build();
            tcp.Run(connection => ServeAsync(connection, secured));
        }));
        _host = builder.Build();
    }

    public Task InitializeAsync() => _host.StartAsync();

    public async Task DisposeAsync()
    {
        await _host.StopAsync().WaitAsync(s_limit, TimeProvider.System);
        _host.Dispose();
    }

    [RequiresProgramFact("openssl")]
    public async Task Openssl_goes_on_inside_TLS_and_every_line_is_answered()
    {
        var root = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(root, TestCertificates.Roots[0].ExportCertificatePem());
            var printed = await ClientProcess.RunShellAsync(
                $"(printf 'NOOP one\\nNOOP two\\nQUIT\\n' | timeout 30 openssl s_client -crlf -ign_eof -starttls smtp -verify_return_error -CAfile {root} "
                + $"-servername localhost -connect 127.0.0.1:{Address.Port}) 2>&1; true");
            Assert.Contains("Verify return code: 0 (ok)", printed, StringComparison.Ordinal);
            Assert.Contains("250 NOOP one", printed, StringComparison.Ordinal);
            Assert.Contains("250 NOOP two", printed, StringComparison.Ordinal);
            Assert.Contains("221 bye", printed, StringComparison.Ordinal);
            Assert.Contains(("STARTTLS", false), _handled);
            Assert.Equal(["NOOP one", "NOOP two", "QUIT"], _handled.Where(handled => handled.IsSecured).Select(handled => handled.Line));
        }
        finally
        {
            File.Delete(root);
        }
    }

    [Fact]
    public async Task The_runtimes_client_goes_on_inside_TLS()
    {
        using var socket = await ConnectAsync();
        await using var plain = new NetworkStream(socket);
        using var lines = new StreamReader(plain, Encoding.ASCII, leaveOpen: true);
        Assert.StartsWith("220 ", await ReadAsync(lines), StringComparison.Ordinal);
        await plain.WriteAsync("STARTTLS\r\n"u8.ToArray());
        Assert.StartsWith("220 ", await ReadAsync(lines), StringComparison.Ordinal);

        await using var tls = new SslStream(plain);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                CustomTrustStore = { TestCertificates.Roots[0] },
            },
        }).WaitAsync(s_limit, TimeProvider.System);
        using var secured = new StreamReader(tls, Encoding.ASCII);
        await tls.WriteAsync("NOOP\r\nSTARTTLS\r\nQUIT\r\n"u8.ToArray());
        Assert.Equal("250 NOOP", await ReadAsync(secured));
        Assert.Equal("250 STARTTLS", await ReadAsync(secured));
        Assert.Equal("221 bye", await ReadAsync(secured));
        Assert.Null(await ReadAsync(secured));
    }

    [Fact]
    public async Task What_was_sent_in_the_clear_ahead_of_TLS_is_refused_and_never_handled()
    {
        using var socket = await ConnectAsync();
        await using var plain = new NetworkStream(socket);
        using var lines = new StreamReader(plain, Encoding.ASCII);
        Assert.StartsWith("220 ", await ReadAsync(lines), StringComparison.Ordinal);
        await plain.WriteAsync("STARTTLS\r\nNOOP injected\r\n"u8.ToArray());
        Assert.StartsWith("554 ", await ReadAsync(lines), StringComparison.Ordinal);
        Assert.Null(await ReadAsync(lines));
        Assert.Equal([("STARTTLS", false)], _handled);
    }

    private IPEndPoint Address => (IPEndPoint)_host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0];

    private async Task ServeAsync(ConnectionContext connection, ConnectionDelegate secured)
    {
        var reader = new MessageReader<string>(connection.Transport.Input, s_reader);
        var writer = new MessageWriter(connection.Transport.Output);
        await writer.WriteAsync("220 localhost", s_writer);
        if (!await AnswerAsync(reader, writer, isSecured: false))
        {
            return;
        }

        // Before the answer: a client that has sent anything behind its STARTTLS does not wait for it, or somebody else has sent it (CVE-2011-0411).
        if (reader.Release() != 0)
        {
            await writer.WriteAsync("554 nothing may follow STARTTLS", s_writer);
            return;
        }

        await writer.WriteAsync("220 go ahead", s_writer);
        await writer.EndAsync();
        await secured(connection);
    }

    private Task ServeSecuredAsync(ConnectionContext connection)
    {
        Assert.NotNull(connection.Features.Get<ITlsConnectionFeature>());
        return AnswerAsync(new MessageReader<string>(connection.Transport.Input, s_reader), new MessageWriter(connection.Transport.Output), isSecured: true);
    }

    /// <returns>True if the conversation is to go on inside TLS.</returns>
    private async Task<bool> AnswerAsync(MessageReader<string> reader, MessageWriter writer, bool isSecured)
    {
        while (await reader.ReadAsync() is { IsCompleted: false, Message: { } line })
        {
            _handled.Enqueue((line, isSecured));
            switch (line)
            {
                case "STARTTLS" when !isSecured:
                    return true;
                case "QUIT":
                    await writer.WriteAsync("221 bye", s_writer);
                    return false;
                case ['E', 'H', 'L', 'O', ..]:
                    writer.Write("250-localhost", s_writer);
                    await writer.WriteAsync("250 STARTTLS", s_writer);
                    break;
                default:
                    await writer.WriteAsync("250 " + line, s_writer);
                    break;
            }
        }

        return false;
    }

    private async Task<Socket> ConnectAsync()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(Address);
        return socket;
    }

    private static Task<string?> ReadAsync(StreamReader reader) => reader.ReadLineAsync().WaitAsync(s_limit, TimeProvider.System);
}
