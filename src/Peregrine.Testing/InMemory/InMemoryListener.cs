using System.Net;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Testing;

internal sealed class InMemoryListener(EndPoint endpoint, int backlog, Action<InMemoryListener> unregister) : IConnectionListener
{
    private readonly Channel<InMemoryConnection> _queue = Channel.CreateBounded<InMemoryConnection>(backlog);

    public EndPoint EndPoint { get; } = endpoint;

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (await _queue.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            if (_queue.Reader.TryRead(out var connection))
                return connection;
        }

        return null;
    }

    public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        unregister(this);
        _queue.Writer.TryComplete();
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await UnbindAsync().ConfigureAwait(false);
        while (_queue.Reader.TryRead(out var connection))
        {
            connection.Abort(new ConnectionAbortedException("The listener was disposed before the connection was accepted."));
            await connection.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Queues a connection, and waits while the queue is full.</summary>
    /// <returns><see langword="false"/> if the listener was unbound.</returns>
    public async ValueTask<bool> TryEnqueueAsync(InMemoryConnection connection, CancellationToken cancellationToken)
    {
        while (await _queue.Writer.WaitToWriteAsync(cancellationToken).ConfigureAwait(false))
        {
            if (_queue.Writer.TryWrite(connection))
                return true;
        }

        return false;
    }
}
