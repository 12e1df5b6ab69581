using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;

namespace Peregrine.Sockets.Listening;

/// <summary>
/// The listeners of one port (SO_REUSEPORT) as one. Each has loops that accept, so that a caller that makes one call at a time empties all of
/// their queues; they are ahead of the callers by one connection for each loop, and one more.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "A CancellationTokenSource without a timer holds nothing to dispose.")]
internal sealed class SharedPortListener(SocketConnectionListener[] listeners, int slots) : IConnectionListener, IConnectionListenerStatus
{
    // Accepts that have ended, not connections: the exception of one belongs to the caller, as it does with a single listener.
    private readonly Channel<Task<ConnectionContext?>> _accepts = Channel.CreateBounded<Task<ConnectionContext?>>(1);
    private readonly CancellationTokenSource _disposing = new();
    private readonly Lock _lock = new();
    private Task? _accepting;

    public EndPoint EndPoint => listeners[0].EndPoint;

    public int? QueuedConnections => listeners.Sum(listener => listener.QueuedConnections);

    public long? DroppedConnections => listeners[0].DroppedConnections is null ? null : listeners.Sum(listener => listener.DroppedConnections);

    public SocketError? AcceptError => listeners.Select(listener => listener.AcceptError).FirstOrDefault(error => error is not null);

    public Action<SocketError>? AcceptFailed
    {
        get => listeners[0].AcceptFailed;
        set => Array.ForEach(listeners, listener => listener.AcceptFailed = value);
    }

    /// <summary>Waits for the next connection of any of the listeners. Any number of calls may wait.</summary>
    /// <returns>Null when they are unbound and every connection that the kernel had queued has been accepted.</returns>
    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        Start();
        while (await _accepts.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            if (_accepts.Reader.TryRead(out var accept))
            {
                return await accept.ConfigureAwait(false);
            }
        }

        return null;
    }

    /// <summary>Stops listening. What the kernel has queued for any of them is still handed out by <see cref="AcceptAsync"/>.</summary>
    public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        foreach (var listener in listeners)
        {
            await listener.UnbindAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Stops listening and closes the sockets. Connections that nobody has taken are reset.</summary>
    public async ValueTask DisposeAsync()
    {
        await _disposing.CancelAsync().ConfigureAwait(false);
        foreach (var listener in listeners)
        {
            await listener.DisposeAsync().ConfigureAwait(false);
        }

        Start(); // From here on it ends at once, and so does every call that waits.
        await _accepting!.ConfigureAwait(false);
        while (_accepts.Reader.TryRead(out var accept))
        {
            await DropAsync(accept).ConfigureAwait(false);
        }
    }

    /// <summary>At the first call, not before: until then, connections wait in the kernel.</summary>
    private void Start()
    {
        lock (_lock)
        {
            _accepting ??= Task.Run(AcceptAllAsync);
        }
    }

    private async Task AcceptAllAsync()
    {
        await Task.WhenAll(listeners.SelectMany(listener => Enumerable.Repeat(listener, slots)).Select(AcceptFromAsync)).ConfigureAwait(false);
        _accepts.Writer.TryComplete();
    }

    private async Task AcceptFromAsync(SocketConnectionListener listener)
    {
        while (true)
        {
            var accept = listener.AcceptAsync().AsTask();
            await ((Task)accept).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (accept is { IsCompletedSuccessfully: true, Result: null })
            {
                return;
            }

            try
            {
                await _accepts.Writer.WriteAsync(accept, _disposing.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                await DropAsync(accept).ConfigureAwait(false);
            }
        }
    }

    private static async Task DropAsync(Task<ConnectionContext?> accept)
    {
        await ((Task)accept).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (accept is { IsCompletedSuccessfully: true, Result: { } connection })
        {
            connection.Abort();
            await connection.DisposeAsync().ConfigureAwait(false);
        }
    }
}
