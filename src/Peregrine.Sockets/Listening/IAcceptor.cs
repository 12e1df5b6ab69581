using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Sockets.Listening;

/// <summary>What a listener takes connections with from the kernel's queue of its socket, and makes them of. Several calls may be made at once.</summary>
internal interface IAcceptor
{
    /// <summary>Waits for the next connection. Null if it was gone before it could be served.</summary>
    /// <exception cref="SocketException">accept(2) failed: this connection, or any at all for the time being.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken);

    /// <summary>Takes a connection without waiting. Null if it was gone before it could be served.</summary>
    /// <exception cref="SocketException">As above; <see cref="SocketError.WouldBlock"/> says that the queue is empty.</exception>
    /// <exception cref="ObjectDisposedException">The listener's socket is closed.</exception>
    ConnectionContext? Accept();

    /// <summary>No call is inside, and none waits any more: the listener's socket is closed next.</summary>
    void Release();
}
