using System.Diagnostics.Metrics;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Peregrine.Contract;
using Peregrine.Testing;

namespace Peregrine.Middleware.Tests;

/// <summary>A pipeline that no server runs, over connections of the in-memory transport with the leak-checking pool: as a client has it.</summary>
internal sealed class Pipeline : IAsyncDisposable
{
    private readonly LeakCheckingMemoryPool _pool = new();
    private readonly InMemoryTransport _transport;
    private readonly List<ConnectionContext> _connections = [];
    private readonly ConnectionDelegate _pipeline;
    private readonly IConnectionListener _listener;

    private Pipeline(ConnectionDelegate pipeline)
    {
        _pipeline = pipeline;
        _transport = new InMemoryTransport(new InMemoryTransportOptions { Pool = _pool });
        _listener = _transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0)).AsTask().GetAwaiter().GetResult();
    }

    public static ServiceProvider Services(ILoggerFactory? log = null, TimeProvider? clock = null)
    {
        var services = new ServiceCollection().AddMetrics().AddSingleton(clock ?? TimeProvider.System);
        if (log is not null)
        {
            services.AddSingleton(log);
        }

        return services.BuildServiceProvider();
    }

    public static Pipeline Build(IServiceProvider services, Action<IConnectionBuilder> configure, ConnectionDelegate handler)
    {
        var builder = new ConnectionBuilder(services);
        configure(builder);
        builder.Run(connection => handler(connection));
        return new Pipeline(builder.Build());
    }

    /// <summary>Connects, and runs the pipeline for the server's end.</summary>
    /// <param name="from">Where the client comes from.</param>
    public async Task<Run> ConnectAsync(EndPoint? from = null)
    {
        var accepting = _listener.AcceptAsync();
        var client = await _transport.ConnectAsync(_listener.EndPoint);
        var server = (await accepting)!;
        server.RemoteEndPoint = from ?? server.RemoteEndPoint;
        lock (_connections)
        {
            _connections.AddRange([client, server]);
        }

        return new Run(client, server, _pipeline(server));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections)
        {
            await connection.DisposeAsync();
        }

        await _listener.DisposeAsync();
        await _pool.WhenAllReturnedAsync(TestTimeout.Limit);
        _pool.Dispose();
    }

    /// <summary>How often a meter's counter was counted up, by the tag.</summary>
    public static Dictionary<string, long> CountRejected(IServiceProvider services, out MeterListener listener)
    {
        var counts = new Dictionary<string, long>();
        var meters = services.GetRequiredService<IMeterFactory>();
        listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope == meters && instrument.Name is "peregrine.server.connections.rejected"
                    or "peregrine.server.connections.timed_out" or "peregrine.server.connections.over_limit")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            foreach (var (key, tag) in tags)
            {
                if (key == "peregrine.close.reason")
                {
                    lock (counts)
                    {
                        counts[(string)tag!] = counts.GetValueOrDefault((string)tag!) + value;
                    }
                }
            }
        });
        listener.Start();
        return counts;
    }

    internal sealed record Run(ConnectionContext Client, ConnectionContext Server, Task Ended);
}

/// <summary>The connections of a pair, each behind a middleware that is under test, as a handler has them.</summary>
internal static class WrappedPair
{
    public static async ValueTask<ConnectionPair> ConnectAsync(int blockSizeInBytes, IServiceProvider services, Action<IConnectionBuilder> configure)
    {
        var pool = new LeakCheckingMemoryPool(blockSizeInBytes);
        var transport = new InMemoryTransport(new InMemoryTransportOptions { Pool = pool, BlockSizeInBytes = blockSizeInBytes });
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        var accepting = listener.AcceptAsync();
        var client = await transport.ConnectAsync(listener.EndPoint);
        var server = (await accepting)!;
        var cleanup = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var running = new List<Task>();
        foreach (var connection in new[] { server, client })
        {
            var isThere = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var builder = new ConnectionBuilder(services);
            configure(builder);
            builder.Run(_ =>
            {
                isThere.SetResult();
                return cleanup.Task;
            });
            running.Add(builder.Build()(connection));
            await isThere.Task;
        }

        return new ConnectionPair(server, client, blockSizeInBytes, pool)
        {
            Cleanup = async () =>
            {
                cleanup.SetResult();
                await Task.WhenAll(running);
                await listener.DisposeAsync();
            },
        };
    }
}
