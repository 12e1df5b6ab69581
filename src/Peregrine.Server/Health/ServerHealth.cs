using Peregrine.Server.Accept;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Health;

/// <summary>
/// Whether the server is ready for clients, and whether it is alive: the first says where clients go, the second whether the process is started anew.
/// Safe to use from any thread.
/// </summary>
internal sealed class ServerHealth
{
    /// <summary>After which something that should take no time will not come back by itself: a restart costs every connection.</summary>
    private static readonly TimeSpan StuckLimit = TimeSpan.FromSeconds(10);

    private readonly PeregrineServer _server;
    private readonly TimeProvider _clock;
    private volatile WatchedServer? _watched;

    public ServerHealth(PeregrineServer server, TimeProvider clock)
    {
        _server = server;
        _clock = clock;
        server.StateChanged = Change;
    }

    /// <summary>It may have become ready, or have ceased to be. What changes without a call of it is seen by who asks now and then.</summary>
    public event Action? Changed;

    /// <summary>Why it is not ready; null if it is. At a limit, it is: clients wait in the queue of the system.</summary>
    public string? NotReady => _server.State switch
    {
        ServerState.Starting => "The server does not accept yet.",
        ServerState.Running => _watched?.Endpoints.Select(static endpoint => endpoint.NotReady).FirstOrDefault(problem => problem is not null),
        var state => $"The server is being stopped ({state}).",
    };

    /// <summary>What has stopped working and will not come back by itself; null if nothing has. A stop that is under way is not a failure.</summary>
    public string? NotLive
    {
        get
        {
            if (_watched is not { } watched || _server.State == ServerState.Stopped)
            {
                return null;
            }

            return watched.Endpoints.Select(static endpoint => endpoint.Gone).FirstOrDefault(problem => problem is not null)
                ?? (watched.Watchdog.Stuck is { } stuck && stuck.Duration >= StuckLimit
                    ? $"A loop that accepts for the endpoint \"{stuck.Endpoint}\" has made no progress for {stuck.Duration.TotalSeconds:0} seconds ({stuck.Step})." : null)
                ?? Silent(watched.Watchdog.BeatAt, "The look at the accept loops")
                ?? Silent(watched.Heartbeat.BeatAt, "The look at the connections' timeouts")
                ?? (watched.LongestHold() is var held && held >= StuckLimit
                    ? $"A handler has held an event loop for {held.TotalSeconds:0} seconds, in which no other connection of that loop was served." : null);
        }
    }

    /// <summary>From the start on.</summary>
    public void Watch(WatchedServer watched) => _watched = watched;

    /// <summary>Tells who waits for it.</summary>
    public void Change() => Changed?.Invoke();

    private string? Silent(long beatAt, string what) =>
        _clock.GetElapsedTime(beatAt) is var silence && silence >= StuckLimit ? $"{what}, once a second, has not ended for {silence.TotalSeconds:0} seconds." : null;
}

/// <summary>What is watched.</summary>
/// <param name="Endpoints">The endpoints.</param>
/// <param name="Watchdog">Looks at their accept loops.</param>
/// <param name="Heartbeat">Looks at their connections.</param>
/// <param name="LongestHold">For how long handlers have held an event loop.</param>
internal sealed record WatchedServer(IReadOnlyList<IRunningEndpoint> Endpoints, AcceptWatchdog Watchdog, ServerHeartbeat Heartbeat, Func<TimeSpan> LongestHold);
