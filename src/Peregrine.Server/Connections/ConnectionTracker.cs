using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Peregrine.Server.Connections;

/// <summary>Every live connection of the server. Safe to use from any thread.</summary>
internal sealed class ConnectionTracker(TimeProvider clock, ILogger logger)
{
    private readonly ConcurrentDictionary<ServerConnection, bool> _connections = new(ReferenceEqualityComparer.Instance);
    private volatile bool _closing;
    private volatile bool _aborting;
    private long _started;

    /// <summary>How many connections were started, ever.</summary>
    public long Started => Interlocked.Read(ref _started);

    public IReadOnlyCollection<ServerConnection> Live => [.. _connections.Keys];

    /// <summary>Starts a connection on the thread pool, so that neither its middleware nor its handler can hold up the caller.</summary>
    public void Start(ConnectionContext context, string endpoint, ConnectionDelegate pipeline)
    {
        ServerConnection connection;
        try
        {
            connection = new ServerConnection(context, endpoint, pipeline, this, clock, logger);
        }
        catch (Exception exception)
        {
            // A transport may bring features that cannot be replaced, or fail to make them.
            ServerLog.StartFailed(logger, endpoint, exception);
            context.Abort();
            _ = context.DisposeAsync().AsTask();
            return;
        }

        Interlocked.Increment(ref _started);
        _connections[connection] = true;

        // Either this sees the flag, or whoever set it sees the connection: the dictionary's lock and the barrier after the flag order them.
        Interlocked.MemoryBarrier();
        if (_closing)
        {
            connection.RequestClose();
        }

        if (_aborting)
        {
            connection.Abort();
        }

        ThreadPool.UnsafeQueueUserWorkItem(connection, preferLocal: false);
    }

    /// <summary>A connection is gone.</summary>
    public void Remove(ServerConnection connection) => _connections.TryRemove(connection, out _);

    /// <summary>Asks every connection to end, those too that are started later.</summary>
    public void RequestClose()
    {
        _closing = true;
        Interlocked.MemoryBarrier();
        foreach (var (connection, _) in _connections)
        {
            connection.RequestClose();
        }
    }

    /// <summary>Resets every connection, those too that are started later.</summary>
    /// <returns>Those that were there.</returns>
    public IReadOnlyCollection<ServerConnection> Abort()
    {
        _aborting = true;
        Interlocked.MemoryBarrier();
        var live = Live;
        foreach (var connection in live)
        {
            connection.Abort();
        }

        return live;
    }
}
