using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Middleware.Tests.ProxyProtocol;

/// <summary>The same line inside Kestrel.</summary>
public sealed class KestrelTests
{
    [Fact]
    public async Task A_connection_handler_of_Kestrel_sees_the_client()
    {
        await using var app = await StartAsync(log: null);
        using var client = await ConnectAsync(app);
        await client.SendAsync((byte[])[.. Corpus.Valid["v2-tls"], .. "hello"u8]);
        Assert.Equal("[2001:db8::1]:1 [2001:db8::2]:2 client hello", await ReceiveToEndAsync(client));
    }

    [Fact]
    public async Task What_is_no_header_ends_the_connection_and_is_no_error_of_Kestrels()
    {
        var log = new ErrorLog();
        await using var app = await StartAsync(log);
        using (var client = await ConnectAsync(app))
        {
            await client.SendAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
            await Assert.ThrowsAsync<SocketException>(() => ReceiveToEndAsync(client));
        }

        using (var client = await ConnectAsync(app))
        {
            // Gone before its header.
            client.LingerState = new LingerOption(true, 0);
        }

        using (var client = await ConnectAsync(app))
        {
            await client.SendAsync((byte[])[.. Corpus.Valid["v1-example"], .. "still here"u8]);
            Assert.Equal("192.168.0.1:56324 192.168.0.11:443  still here", await ReceiveToEndAsync(client));
        }

        await app.StopAsync();
        Assert.Empty(log.Errors);
    }

    [Fact]
    public async Task So_does_HTTP()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseProxyProtocol(IPNetwork.Parse("127.0.0.0/8"))));
        await using var app = builder.Build();
        app.MapGet("/", context => context.Response.WriteAsync($"I see {context.Connection.RemoteIpAddress}:{context.Connection.RemotePort}."));
        await app.StartAsync();
        using var client = await ConnectAsync(app);
        await client.SendAsync((byte[])[.. Corpus.Valid["v1-example"], .. "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"u8]);
        Assert.Contains("I see 192.168.0.1:56324.", await ReceiveToEndAsync(client), StringComparison.Ordinal);
    }

    private static async Task<WebApplication> StartAsync(ErrorLog? log)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        if (log is not null)
        {
            builder.Logging.AddProvider(log);
        }

        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(
            IPAddress.Loopback, 0, listen => listen.UseProxyProtocol(IPNetwork.Parse("127.0.0.0/8")).UseConnectionHandler<Handler>()));
        var app = builder.Build();
        await app.StartAsync();
        return app;
    }

    private static async Task<Socket> ConnectAsync(WebApplication app)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(IPEndPoint.Parse(new Uri(app.Urls.First()).Authority));
        return client;
    }

    private static async Task<string> ReceiveToEndAsync(Socket client)
    {
        var received = new StringBuilder();
        var buffer = new byte[1_000];
        while (await client.ReceiveAsync(buffer).InTimeAsync() is > 0 and var count)
        {
            received.Append(Encoding.ASCII.GetString(buffer, 0, count));
        }

        return received.ToString();
    }

    private sealed class Handler : ConnectionHandler
    {
        public override async Task OnConnectedAsync(ConnectionContext connection)
        {
            var read = await connection.Transport.Input.ReadAsync();
            var said = connection.Features.Get<IProxyProtocolFeature>()!.Tls?.CommonName;
            var answer = $"{connection.RemoteEndPoint} {connection.LocalEndPoint} {said} {Encoding.ASCII.GetString(read.Buffer)}";
            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            await connection.SendAsync(Encoding.ASCII.GetBytes(answer));
        }
    }

    private sealed class ErrorLog : ILoggerProvider, ILogger
    {
        public List<string> Errors { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                lock (Errors)
                {
                    Errors.Add($"{formatter(state, exception)} {exception}");
                }
            }
        }

        public void Dispose()
        {
        }
    }
}
