using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Peregrine.Sockets;

/// <summary>The socket transport: listens and connects over TCP and Unix domain sockets.</summary>
public sealed class SocketTransportFactory : IConnectionListenerFactory, IConnectionFactory
{
    /// <summary>Makes a transport.</summary>
    public SocketTransportFactory(SocketTransportOptions options, ILoggerFactory loggerFactory)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggerFactory);
    }

    /// <inheritdoc/>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) => throw new InvalidOperationException();

    /// <inheritdoc/>
    public ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default) => throw new InvalidOperationException();
}
