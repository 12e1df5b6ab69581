using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Peregrine.Features;
using Peregrine.Middleware.Tls;
using Peregrine.Testing;

namespace Peregrine.Middleware.Tests.Tls;

/// <summary>A pipeline with TLS over the in-memory transport, and clients of the runtime's own to try it with.</summary>
internal sealed class TlsTest : IAsyncDisposable
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly LeakCheckingMemoryPool _pool;
    private readonly ServiceProvider _services;
    private readonly IConnectionListener _listener;
    private readonly InMemoryTransport _transport;
    private readonly ConnectionDelegate _pipeline;
    private readonly List<Task> _running = [];
    private readonly List<ConnectionContext> _clients = [];

    private TlsTest(InMemoryTransport transport, IConnectionListener listener, LeakCheckingMemoryPool pool, ServiceProvider services, ConnectionDelegate pipeline)
    {
        _pool = pool;
        _transport = transport;
        _listener = listener;
        _services = services;
        _pipeline = pipeline;
    }

    public static ConcurrentQueue<(LogLevel Level, string Text)> NewLog() => new();

    public ConcurrentQueue<ConnectionContext> Handled { get; } = new();

    public static async Task<TlsTest> StartAsync(
        Action<TlsOptions> configure, ConnectionDelegate? handler = null, TimeProvider? clock = null,
        ConcurrentQueue<(LogLevel Level, string Text)>? log = null, Action<IConnectionBuilder>? before = null)
    {
        var services = new ServiceCollection();
        services.AddMetrics();
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Debug).AddProvider(new LogProvider(log ?? NewLog())));
        services.AddSingleton(clock ?? TimeProvider.System);
        var provider = services.BuildServiceProvider();
        var pool = new LeakCheckingMemoryPool();
        var transport = new InMemoryTransport(new InMemoryTransportOptions { Pool = pool });
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        TlsTest? test = null;
        var builder = new ConnectionBuilder(provider);
        before?.Invoke(builder);
        var pipeline = builder.UseTls(configure).Run(connection =>
        {
            test!.Handled.Enqueue(connection);
            return (handler ?? EchoAsync)(connection);
        }).Build();
        return test = new TlsTest(transport, listener, pool, provider, pipeline);
    }

    public static async Task EchoAsync(ConnectionContext connection)
    {
        while (true)
        {
            var read = await connection.Transport.Input.ReadAsync();
            foreach (var segment in read.Buffer)
            {
                connection.Transport.Output.Write(segment.Span);
            }

            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            await connection.Transport.Output.FlushAsync();
            if (read.IsCompleted)
            {
                return;
            }
        }
    }

    public IMeterFactory Meters => _services.GetRequiredService<IMeterFactory>();

    /// <summary>A client's connection whose other end runs the pipeline.</summary>
    public async Task<(ConnectionContext Client, ConnectionContext Server, Task Running)> ConnectAsync()
    {
        var accepting = _listener.AcceptAsync();
        var client = await _transport.ConnectAsync(_listener.EndPoint);
        var server = (await accepting)!;
        var running = Task.Run(async () =>
        {
            await _pipeline(server);
            await server.DisposeAsync();
        });
        _running.Add(running);
        _clients.Add(client);
        return (client, server, running);
    }

    public static SslStream StreamOver(ConnectionContext client) => new(new TransportStream(client.Transport) { OnShutDownDue = () => { } });

    public static SslClientAuthenticationOptions ClientOptions(string host = "localhost") => new()
    {
        TargetHost = host,
        CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            CustomTrustStore = { TestCertificates.Roots[0] },
        },
    };

    /// <summary>Connects, shakes hands, echoes a byte, and gives back what the client has seen of the certificate.</summary>
    public async Task<string> TryOnceAsync(SslClientAuthenticationOptions? options = null)
    {
        var (client, _, running) = await ConnectAsync();
        await using var tls = StreamOver(client);
        try
        {
            await tls.AuthenticateAsClientAsync(options ?? ClientOptions()).WaitAsync(Limit, TimeProvider.System);
            await tls.WriteAsync(new byte[] { 42 });
            var answer = new byte[1];
            await tls.ReadExactlyAsync(answer).AsTask().WaitAsync(Limit, TimeProvider.System);
            Assert.Equal(42, answer[0]);
            var subject = tls.RemoteCertificate!.Subject;
            await tls.ShutdownAsync();
            return subject;
        }
        finally
        {
            await client.DisposeAsync();
            await running.WaitAsync(Limit, TimeProvider.System);
        }
    }

    public static ConnectionCloseReason ReasonOf(ConnectionContext connection) => connection.Features.Get<IConnectionCloseFeature>()!.Reason;

    public async ValueTask DisposeAsync()
    {
        // Those of a test that has failed: without effect on one that is disposed.
        _clients.ForEach(client => client.Abort());
        await Task.WhenAll(_running).WaitAsync(Limit, TimeProvider.System);
        await _listener.DisposeAsync();
        await _pool.WhenAllReturnedAsync(Limit);
        _pool.Dispose();
        await _services.DisposeAsync();
    }

    private sealed class LogProvider(ConcurrentQueue<(LogLevel Level, string Text)> log) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            log.Enqueue((logLevel, formatter(state, exception)));

        public void Dispose()
        {
        }
    }
}
