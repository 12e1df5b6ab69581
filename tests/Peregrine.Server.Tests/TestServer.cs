using System.Net;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Peregrine.Server.Hosting;
using Peregrine.Testing;

namespace Peregrine.Server.Tests;

/// <summary>The real server in a real host, over the in-memory transport with the leak-checking pool. Disposed, it has given every buffer back.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    /// <summary>Says no more than "not for ever".</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    /// <summary>
    /// For servers that give their port up and take it again: clients do not come from this address, so that none of them has the port meanwhile.
    /// </summary>
    public static readonly string OwnAddress = OperatingSystem.IsLinux() ? "127.0.77.1" : "127.0.0.1";

    private readonly LeakCheckingMemoryPool _pool = new();
    private readonly List<ConnectionContext> _clients = [];

    public TestServer(
        Action<PeregrineBuilder> configure,
        IReadOnlyDictionary<string, string?>? configuration = null,
        TimeProvider? clock = null,
        Action<IServiceCollection>? services = null,
        Func<IConnectionListenerFactory, IConnectionListenerFactory>? transport = null,
        IConfigurationSource? source = null)
    {
        Transport = new InMemoryTransport(new InMemoryTransportOptions { Pool = _pool });
        Datagrams = new InMemoryDatagramTransport(new InMemoryDatagramOptions { Pool = _pool, ReceiveQueueLength = 16, SendQueueLength = 16, BatchSize = 4 });
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection(configuration ?? new Dictionary<string, string?>());
        if (source is not null)
        {
            builder.Configuration.Sources.Add(source);
        }

        builder.Logging.SetMinimumLevel(LogLevel.Trace).AddProvider(Log);
        builder.Services.AddSingleton(clock ?? TimeProvider.System);
        services?.Invoke(builder.Services);
        builder.Services.AddPeregrine(server =>
        {
            server.UseTransport(transport is null ? Transport : transport(Transport)).UseDatagramTransport(Datagrams).Configure(options => options.ThrowOnStartFailure = true);
            configure(server);
        });
        Host = builder.Build();
    }

    public InMemoryTransport Transport { get; }

    public InMemoryDatagramTransport Datagrams { get; }

    public RecordedLog Log { get; } = new();

    public IHost Host { get; }

    public PeregrineServer Server => Host.Services.GetRequiredService<PeregrineServer>();

    /// <summary>Starts a server with one endpoint, named "test", at a free port.</summary>
    public static async Task<TestServer> StartAsync(ConnectionDelegate handler, TimeProvider? clock = null, TimeSpan? shutdownTimeout = null)
    {
        var server = new TestServer(
            builder => builder.Endpoint("test", tcp => tcp.Run(connection => handler(connection)))
                .Configure(options => options.ShutdownTimeout = shutdownTimeout ?? options.ShutdownTimeout),
            new Dictionary<string, string?> { ["Peregrine:Endpoints:test:Url"] = "tcp://127.0.0.1:0" },
            clock);
        await server.StartAsync();
        return server;
    }

    public Task StartAsync() => Host.StartAsync().WaitAsync(Limit, TimeProvider.System);

    public async Task<PeregrineStartException> StartAndFailAsync()
    {
        var exception = await Assert.ThrowsAsync<PeregrineStartException>(StartAsync);
        Assert.DoesNotContain('\n', exception.Message);
        return exception;
    }

    public Task StopAsync(CancellationToken cancellationToken = default) => Host.StopAsync(cancellationToken).WaitAsync(Limit, TimeProvider.System, CancellationToken.None);

    public async Task<ConnectionContext> ConnectAsync(EndPoint? address = null)
    {
        var client = await Transport.ConnectAsync(address ?? Server.Endpoints[0].Addresses[0]);
        _clients.Add(client);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
        {
            await client.DisposeAsync();
        }

        await StopAsync();
        Host.Dispose();
        await _pool.WhenAllReturnedAsync(Limit);
        _pool.Dispose();
    }
}

internal static class ClientExtensions
{
    public static async Task SendAsync(this ConnectionContext client, string text) =>
        await client.Transport.Output.WriteAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>Reads to the server's end.</summary>
    public static async Task<string> ReceiveToEndAsync(this ConnectionContext client)
    {
        while (true)
        {
            var read = await client.Transport.Input.ReadAsync().AsTask().WaitAsync(TestServer.Limit, TimeProvider.System);
            if (read.IsCompleted)
            {
                var text = Encoding.UTF8.GetString(read.Buffer);
                client.Transport.Input.AdvanceTo(read.Buffer.End);
                return text;
            }

            client.Transport.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>Reads as many characters of ASCII.</summary>
    public static async Task<string> ReceiveAsync(this ConnectionContext client, int count)
    {
        var read = await client.Transport.Input.ReadAtLeastAsync(count).AsTask().WaitAsync(TestServer.Limit, TimeProvider.System);
        var taken = read.Buffer.Slice(0, count);
        var text = Encoding.UTF8.GetString(taken);
        client.Transport.Input.AdvanceTo(taken.End);
        return text;
    }

    public static Task InTimeAsync(this Task task) => task.WaitAsync(TestServer.Limit, TimeProvider.System);

    public static Task<T> InTimeAsync<T>(this Task<T> task) => task.WaitAsync(TestServer.Limit, TimeProvider.System);
}

/// <summary>Handlers that the tests share.</summary>
internal static class Handlers
{
    /// <summary>Echoes until the peer's end; at the server's stop, the request to close ends it with the usual exception.</summary>
    public static async Task EchoAsync(ConnectionContext connection)
    {
        while (true)
        {
            var read = await connection.Transport.Input.ReadAsync(connection.CloseRequested());
            foreach (var segment in read.Buffer)
            {
                await connection.Transport.Output.WriteAsync(segment);
            }

            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return;
            }
        }
    }

    public static CancellationToken CloseRequested(this ConnectionContext connection) =>
        connection.Features.Get<Microsoft.AspNetCore.Connections.Features.IConnectionLifetimeNotificationFeature>()!.ConnectionClosedRequested;

    public static Task WhenFiredAsync(this CancellationToken token)
    {
        var fired = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        token.UnsafeRegister(_ => fired.TrySetResult(), null);
        return fired.Task;
    }
}
