using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Testing;

/// <summary>
/// A transport whose connections are two pipes in this process: it takes the place of sockets in tests, with the same behaviour at the edges
/// (half-close, reset, backpressure, a bounded backlog) and none of the timing.
/// </summary>
/// <remarks>
/// Listeners are known to the transport they were bound on, and to no other. All members are safe to use from any thread.
/// </remarks>
public sealed class InMemoryTransport : IConnectionListenerFactory, IConnectionFactory
{
    private readonly ConcurrentDictionary<EndPoint, InMemoryListener> _listeners = new();
    private readonly InMemoryConnectionSettings _settings;
    private readonly int _backlog;
    private int _lastPort = FirstPort - 1;

    /// <summary>Makes a transport.</summary>
    /// <param name="options">The options, or <see langword="null"/> for the defaults.</param>
    /// <exception cref="ArgumentException">An option is outside its range.</exception>
    public InMemoryTransport(InMemoryTransportOptions? options = null)
    {
        options ??= new InMemoryTransportOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Backlog, 1);
        _backlog = options.Backlog;
        _settings = new InMemoryConnectionSettings(options);
    }

    /// <summary>Listens at <paramref name="endpoint"/>, which may be of any kind; connects find it by equality.</summary>
    /// <param name="endpoint">The address. An <see cref="IPEndPoint"/> with port 0 gets a port that no other listener of this transport has.</param>
    /// <param name="cancellationToken">Not used: the call never waits.</param>
    /// <exception cref="AddressInUseException">A listener of this transport has the address.</exception>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        if (endpoint is IPEndPoint { Port: 0 } anyPort)
            endpoint = new IPEndPoint(anyPort.Address, NextPort());
        var listener = new InMemoryListener(endpoint, _backlog, unbound => _listeners.TryRemove(KeyValuePair.Create(unbound.EndPoint, unbound)));
        return _listeners.TryAdd(endpoint, listener)
            ? ValueTask.FromResult<IConnectionListener>(listener)
            : ValueTask.FromException<IConnectionListener>(new AddressInUseException($"A listener is already bound to {endpoint}."));
    }

    /// <summary>Connects to the listener at <paramref name="endpoint"/>, and waits while its backlog is full.</summary>
    /// <param name="endpoint">The address. An <see cref="IPEndPoint"/> also finds the listener that is bound to any address with the same port.</param>
    /// <param name="cancellationToken">Ends the wait for room in the backlog.</param>
    /// <exception cref="SocketException">Nobody listens there, or the listener was unbound during the wait (<see cref="SocketError.ConnectionRefused"/>).</exception>
    public async ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        cancellationToken.ThrowIfCancellationRequested();
        if (FindListener(endpoint) is not { } listener)
            throw new SocketException((int)SocketError.ConnectionRefused);

        var clientEndPoint = endpoint is IPEndPoint ip ? new IPEndPoint(ip.Address, NextPort()) : null;
        var (server, client) = InMemoryConnection.CreatePair(_settings, endpoint, clientEndPoint);
        bool queued = false;
        try
        {
            queued = await listener.TryEnqueueAsync(server, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (!queued)
            {
                await server.DisposeAsync().ConfigureAwait(false);
                await client.DisposeAsync().ConfigureAwait(false);
            }
        }

        return queued ? client : throw new SocketException((int)SocketError.ConnectionRefused);
    }

    private InMemoryListener? FindListener(EndPoint endpoint)
    {
        if (_listeners.TryGetValue(endpoint, out var exact))
            return exact;
        if (endpoint is not IPEndPoint { Port: var port })
            return null;
        return _listeners.TryGetValue(new IPEndPoint(IPAddress.IPv6Any, port), out var dual) ? dual
            : _listeners.GetValueOrDefault(new IPEndPoint(IPAddress.Any, port));
    }

    private int NextPort()
    {
        while (true)
        {
            // Client ports and listener ports come from one sequence; it may wrap, so a port that a listener still has is passed over.
            int port = FirstPort + (int)((uint)(Interlocked.Increment(ref _lastPort) - FirstPort) % (IPEndPoint.MaxPort + 1 - FirstPort));
            if (!_listeners.Keys.Any(key => key is IPEndPoint ip && ip.Port == port))
                return port;
        }
    }

    private const int FirstPort = 49_152;
}
