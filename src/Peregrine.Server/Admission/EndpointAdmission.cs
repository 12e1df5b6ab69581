using System.Net;
using Peregrine.Features;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Admission;

/// <summary>Who may connect to an endpoint, and when. Safe to use from any thread.</summary>
internal sealed class EndpointAdmission(string name, ServerAdmission server)
{
    private readonly EndpointPlaces _places = new();
    private volatile AddressFilter _filter = new([], []);

    public string Name => name;

    public Refusals Refusals => server.Refusals;

    /// <summary>Nothing speaks against another accept.</summary>
    public bool IsOpen => server.Places.HasRoom(_places) && !server.Pace.MustWait;

    public void Apply(EndpointOptions options)
    {
        _filter = new AddressFilter(options.Addresses.Allow, options.Addresses.Deny);
        server.Places.Change(() => _places.Max = options.Limits.MaxConnections ?? int.MaxValue);
    }

    /// <summary>Completes when there is a place, which it does not take, and the pace allows another accept; or when it is cancelled.</summary>
    public ValueTask WaitUntilOpenAsync(CancellationToken cancellationToken) => IsOpen ? default : new ValueTask(WaitAsync(cancellationToken));

    /// <summary>Looks at where a connection comes from. One that is not refused is counted for its address until it leaves.</summary>
    /// <returns>Why it is refused; <see cref="ConnectionCloseReason.None"/> if it is not.</returns>
    /// <param name="remoteEndPoint">Where it comes from.</param>
    /// <param name="network">For whom it is counted.</param>
    /// <param name="isPaced">Whether it takes a turn of the pace: what is queued at a stop or a suspend is accepted without regard to it.</param>
    public ConnectionCloseReason Enter(EndPoint? remoteEndPoint, out PeerNetwork network, bool isPaced = true)
    {
        var reason = Look(remoteEndPoint, out network);
        if (isPaced && reason == ConnectionCloseReason.None)
        {
            // Those that are refused do not take the others' turns.
            server.Pace.OnAccepted();
        }

        return reason;
    }

    private ConnectionCloseReason Look(EndPoint? remoteEndPoint, out PeerNetwork network)
    {
        network = PeerNetwork.None;
        if (PeerAddress.Of(remoteEndPoint) is not { } address)
        {
            return ConnectionCloseReason.None;
        }

        if (!_filter.IsAllowed(address))
        {
            return ConnectionCloseReason.RejectedAddress;
        }

        var limits = server.Peers;
        if (limits.Exempt.Contains(address))
        {
            return ConnectionCloseReason.None;
        }

        var counted = PeerNetwork.Of(address);
        if (limits.RateLimiter?.AttemptAcquire(counted).IsAcquired == false)
        {
            return ConnectionCloseReason.RejectedConnectionRate;
        }

        if (!server.PeerCounts.TryAdd(counted, limits.MaxConnections))
        {
            return ConnectionCloseReason.RejectedConnectionsPerAddress;
        }

        network = counted;
        return ConnectionCloseReason.None;
    }

    public bool TryTakePlace() => server.Places.TryTake(_places);

    /// <summary>Takes a place when the turn of the connection comes.</summary>
    /// <returns>False if it was cancelled first.</returns>
    public Task<bool> TakePlaceAsync(CancellationToken cancellationToken)
    {
        server.Limits.OnPlaces(name, _places.Count, _places.Max, server.Places);
        return server.Places.TakeAsync(_places, cancellationToken);
    }

    /// <summary>A connection is gone, or never became one.</summary>
    /// <param name="network">What <see cref="Enter"/> told.</param>
    /// <param name="hasPlace">Whether it had a place.</param>
    public void Leave(PeerNetwork network, bool hasPlace = true)
    {
        if (network != PeerNetwork.None)
        {
            server.PeerCounts.Remove(network);
        }

        if (hasPlace)
        {
            server.Places.Return(_places);
        }
    }

    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            if (!server.Places.HasRoom(_places))
            {
                server.Limits.OnPlaces(name, _places.Count, _places.Max, server.Places);
                await server.Places.WaitForRoomAsync(_places, cancellationToken).ConfigureAwait(false);
            }
            else if (server.Pace.MustWait)
            {
                server.Limits.OnPace(name, server.Pace.PerSecond);
                await server.Pace.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            else
            {
                return;
            }
        }
    }
}
