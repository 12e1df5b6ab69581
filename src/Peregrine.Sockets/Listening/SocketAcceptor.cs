using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Peregrine.Sockets.Listening;

/// <summary>Accepts by the runtime's sockets.</summary>
/// <param name="socket">Listening.</param>
/// <param name="connect">Makes a connection of an accepted socket; may throw a <see cref="SocketException"/>.</param>
/// <param name="logger">The transport's logger.</param>
internal sealed class SocketAcceptor(Socket socket, Func<Socket, ConnectionContext> connect, ILogger logger) : IAcceptor
{
    private readonly EndPoint _endPoint = socket.LocalEndPoint!;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken) =>
        Connect(await socket.AcceptAsync(cancellationToken).ConfigureAwait(false));

    public ConnectionContext? Accept() => Connect(socket.Accept());

    public void Release()
    {
    }

    private ConnectionContext? Connect(Socket accepted)
    {
        try
        {
            return connect(accepted);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Reset while it was queued: accept returns it all the same, and any option that is set on it may throw.
            accepted.Dispose();
            SocketsLog.AcceptedConnectionGone(logger, _endPoint, exception.Message);
            return null;
        }
        catch
        {
            accepted.Dispose();
            throw;
        }
    }
}
