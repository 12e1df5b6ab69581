using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;
using Peregrine.Testing;

namespace Peregrine.Middleware.Tests.ProxyProtocol;

/// <summary>A pipeline over the in-memory transport, with what it logs, counts and waits for in the test's hands.</summary>
internal sealed class ReceiverPipeline : IAsyncDisposable, ILoggerProvider, ILogger
{
    /// <summary>Says no more than "not for ever".</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    private readonly LeakCheckingMemoryPool _pool = new();
    private readonly InMemoryTransport _transport;
    private readonly ServiceProvider _services;
    private readonly MeterListener _meters = new();
    private readonly List<ConnectionContext> _connections = [];
    private readonly ConnectionDelegate _pipeline;

    public ReceiverPipeline(Action<IConnectionBuilder> configure, ConnectionDelegate handler)
    {
        _transport = new InMemoryTransport(new InMemoryTransportOptions { Pool = _pool });
        _services = new ServiceCollection()
            .AddSingleton<TimeProvider>(Clock)
            .AddMetrics()
            .AddLogging(logging => logging.SetMinimumLevel(LogLevel.Debug).AddProvider(this))
            .BuildServiceProvider();
        var meters = _services.GetRequiredService<IMeterFactory>();
        _meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == meters && instrument.Name == "peregrine.server.proxy_protocol.rejected")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _meters.SetMeasurementEventCallback<long>((_, value, tags, _) => Rejected.Enqueue(((string)tags[0].Value!, value)));
        _meters.Start();
        var builder = new ConnectionBuilder(_services);
        configure(builder);
        builder.Run(connection => handler(connection));
        _pipeline = builder.Build();
    }

    public CountingClock Clock { get; } = new();

    public ConcurrentQueue<(LogLevel Level, EventId Id, string Message)> Log { get; } = new();

    public ConcurrentQueue<(string Reason, long Count)> Rejected { get; } = new();

    /// <param name="prepare">Is given the server's end first.</param>
    /// <returns>Both ends; the pipeline does not run yet.</returns>
    public async Task<(ConnectionContext Server, ConnectionContext Client)> ConnectAsync(Action<ConnectionContext>? prepare = null)
    {
        await using var listener = await _transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        var client = await _transport.ConnectAsync(listener.EndPoint);
        var server = (await listener.AcceptAsync())!;
        _connections.AddRange([server, client]);
        prepare?.Invoke(server);
        return (server, client);
    }

    /// <summary>Runs the pipeline to its end, and then ends the connection as a server does.</summary>
    public async Task RunAsync(ConnectionContext server)
    {
        await _pipeline(server);
        await server.Transport.Output.CompleteAsync();
        await server.Transport.Input.CompleteAsync();
        await server.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections)
        {
            await connection.DisposeAsync();
        }

        _meters.Dispose();
        await _services.DisposeAsync();
        await _pool.WhenAllReturnedAsync(Limit);
        _pool.Dispose();
    }

    ILogger ILoggerProvider.CreateLogger(string categoryName) => this;

    void IDisposable.Dispose()
    {
    }

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;

    bool ILogger.IsEnabled(LogLevel logLevel) => true;

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Log.Enqueue((logLevel, eventId, formatter(state, exception)));

    /// <summary>Counts the timers that are made.</summary>
    internal sealed class CountingClock : FakeTimeProvider
    {
        public int Timers { get; private set; }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Timers++;
            return base.CreateTimer(callback, state, dueTime, period);
        }
    }
}

internal static class ConnectionEnds
{
    public static ConnectionCloseReason Reason(this ConnectionContext connection) => connection.Features.Get<IConnectionCloseFeature>()!.Reason;

    public static async Task SendAsync(this ConnectionContext connection, ReadOnlyMemory<byte> bytes) => await connection.Transport.Output.WriteAsync(bytes);

    public static Task InTimeAsync(this Task task) => task.WaitAsync(ReceiverPipeline.Limit, TimeProvider.System);

    public static Task<T> InTimeAsync<T>(this Task<T> task) => task.WaitAsync(ReceiverPipeline.Limit, TimeProvider.System);

    /// <summary>Reads to the other side's end.</summary>
    public static async Task<byte[]> ReceiveToEndAsync(this ConnectionContext connection)
    {
        var received = new List<byte>();
        while (true)
        {
            var read = await connection.Transport.Input.ReadAsync().AsTask().InTimeAsync();
            foreach (var segment in read.Buffer)
            {
                received.AddRange(segment.Span);
            }

            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return [.. received];
            }
        }
    }

    public static Task AssertResetAsync(this ConnectionContext client) => Assert.ThrowsAsync<ConnectionResetException>(client.ReceiveToEndAsync);

    public static string AsText(this byte[] bytes) => Encoding.Latin1.GetString(bytes);
}
