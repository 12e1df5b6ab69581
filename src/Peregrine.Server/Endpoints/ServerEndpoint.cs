using System.Net;

namespace Peregrine.Server.Endpoints;

/// <summary>An endpoint that the server listens on.</summary>
public sealed class ServerEndpoint
{
    private readonly IRunningEndpoint _running;

    internal ServerEndpoint(string url, IReadOnlyList<EndPoint> addresses, IRunningEndpoint running)
    {
        _running = running;
        Name = running.Name;
        Url = url;
        Addresses = addresses;
    }

    internal Connections.ConnectionTracker? Tracker => (_running as RunningEndpoint)?.Connections;

    /// <summary>The endpoint's name in configuration and log; the url, if it was given none.</summary>
    public string Name { get; }

    /// <summary>The url as it was set.</summary>
    public string Url { get; }

    /// <summary>The addresses it is bound to: real ports, also where the url says 0. More than one for <c>localhost</c>.</summary>
    public IReadOnlyList<EndPoint> Addresses { get; }

    /// <summary>How many connections it has: those whose handlers are at work, and those that are closing. Zero for a datagram endpoint.</summary>
    public int Connections => _running.ConnectionCount;

    /// <summary>What a datagram endpoint has received, sent and dropped since the start; null for an endpoint of connections.</summary>
    public DatagramCounters? Datagrams => _running.Datagrams;

    /// <summary>It accepts no connections, or receives no datagrams, until <see cref="ResumeAsync"/>.</summary>
    public bool IsSuspended => _running.IsSuspended;

    /// <summary>
    /// Stops accepting: what the kernel has queued is served, then the addresses are given up, and clients that connect are refused. Connections
    /// that are there are not touched. Without effect on an endpoint that is suspended, or whose server stops. An inherited socket
    /// (<see cref="EndpointOptions.Url"/>) goes on listening: what it has queued, and clients that connect, wait. Before the host has started, there
    /// is nobody to serve what is queued: it is reset.
    /// </summary>
    /// <remarks>
    /// A datagram endpoint handles what the kernel has queued, waits until the answers are sent, and closes its sockets: what comes then is lost. Its middleware keeps what it knows of peers; a
    /// <see cref="DatagramSender"/> that was kept from before is closed, and the next batch has another.
    /// </remarks>
    /// <param name="cancellationToken">
    /// Ends the wait for another call of it or of <see cref="ResumeAsync"/>; for datagrams also the wait for handlers and for the kernel: what is not handled, or not sent, by then is dropped, and counted.
    /// </param>
    /// <returns>Completes when nothing more is accepted or received.</returns>
    public Task SuspendAsync(CancellationToken cancellationToken = default) => _running.SuspendAsync(cancellationToken);

    /// <summary>Accepts again, on the same addresses. Without effect on an endpoint that is not suspended, or whose server stops.</summary>
    /// <param name="cancellationToken">Cancels it before anything is bound.</param>
    /// <exception cref="Microsoft.AspNetCore.Connections.AddressInUseException">An address is in use by now: the endpoint stays suspended, and the call can be repeated.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">The system refuses; as above.</exception>
    public Task ResumeAsync(CancellationToken cancellationToken = default) => _running.ResumeAsync(cancellationToken);

    /// <summary>Waits until it has no more than <paramref name="atMost"/> connections. It may have more again at once, unless it is suspended.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="atMost"/> is negative.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled first.</exception>
    public Task WaitForConnectionsAsync(int atMost, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(atMost);
        return _running.WaitForConnectionsAsync(atMost, cancellationToken);
    }
}
