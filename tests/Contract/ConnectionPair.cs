using Microsoft.AspNetCore.Connections;
using Peregrine.Testing;

namespace Peregrine.Contract;

/// <summary>Two connected connections of one transport, and the pools that their buffers come from.</summary>
public sealed class ConnectionPair(ConnectionContext server, ConnectionContext client, int blockSizeInBytes, params LeakCheckingMemoryPool[] pools) : IAsyncDisposable
{
    public ConnectionContext Server => server;

    public ConnectionContext Client => client;

    public int BlockSizeInBytes => blockSizeInBytes;

    public IReadOnlyList<LeakCheckingMemoryPool> Pools => pools;

    /// <summary>
    /// How long a flush must stay pending before a test believes that nothing moves any more. A kernel goes on moving bytes between two sockets
    /// for a while, and a writer may give its thread to others; a transport of pipes needs no time.
    /// </summary>
    public TimeSpan SettleTime { get; init; }

    /// <summary>Tells whether a flush can go on at once, for a transport over a kernel: the <see cref="SettleTime"/> begins when it cannot.</summary>
    public Func<bool>? CanMove { get; init; }

    /// <summary>Tells whether nothing moves any more, for a transport that knows; it needs no <see cref="SettleTime"/> then.</summary>
    public Func<bool>? IsQuiet { get; init; }

    /// <summary>
    /// Whether the peer of a connection that is aborted sees a reset. A Unix domain socket has none (unix(7)): unless the side that aborts had
    /// unread bytes, its peer reads to an end.
    /// </summary>
    public bool HasReset { get; init; } = true;

    /// <summary>Whether bytes of its own go with those of the application, as those of TLS: the transport counts more, then.</summary>
    public bool AddsBytes { get; init; }

    /// <summary>Whether the peer of an output that is completed with an exception is told that what it has is cut off, as by TLS.</summary>
    public bool TellsOfCuts { get; init; }

    /// <summary>What else belongs to the pair (a listener, a transport), disposed after the connections.</summary>
    public Func<ValueTask>? Cleanup { get; init; }

    public int RentedBlocks => pools.Sum(pool => pool.Rented);

    /// <summary>
    /// Returns when a flush is complete, or will be only when the peer reads. The flush is asked itself: a task that was made of it
    /// may learn of its end later, by the thread pool.
    /// </summary>
    public async Task SettleAsync(Func<bool> isCompleted)
    {
        long started = TimeProvider.System.GetTimestamp();
        while (!isCompleted() && !(IsQuiet?.Invoke() ?? TimeProvider.System.GetElapsedTime(started) >= SettleTime))
        {
            if (CanMove?.Invoke() == true)
                started = TimeProvider.System.GetTimestamp();
            if (IsQuiet is null)
                await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System);
            else
                await Task.Yield();
        }
    }

    /// <summary>Both at once: a graceful close may wait for the other side's.</summary>
    public Task DisposeConnectionsAsync() => Task.WhenAll(server.DisposeAsync().AsTask(), client.DisposeAsync().AsTask());

    /// <summary>Disposes both connections and requires that every buffer came back.</summary>
    public async ValueTask DisposeAsync()
    {
        await DisposeConnectionsAsync().WaitAsync(TransportContract.Limit, TimeProvider.System);
        if (Cleanup is not null)
            await Cleanup();
        foreach (var pool in pools)
        {
            await pool.WhenAllReturnedAsync(TransportContract.Limit);
            pool.Dispose();
        }
    }
}
