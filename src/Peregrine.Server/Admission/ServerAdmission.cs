using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Limits;

namespace Peregrine.Server.Admission;

/// <summary>
/// Who may connect, over all endpoints: places, connections and rates per address, the pace of accepting. Follows the settings while it lives. Safe
/// to use from any thread.
/// </summary>
internal sealed class ServerAdmission : IDisposable
{
    private readonly IOptionsMonitor<EndpointOptions> _endpointOptions;
    private readonly TimeProvider _clock;
    private readonly IDisposable?[] _subscriptions;
    private readonly Dictionary<string, EndpointAdmission> _endpoints = new(StringComparer.OrdinalIgnoreCase);
    private volatile PeerLimits _peers;

    public ServerAdmission(
        IOptionsMonitor<PeregrineOptions> options, IOptionsMonitor<EndpointOptions> endpointOptions, ServerMetrics metrics, TimeProvider clock, ILogger logger)
    {
        _endpointOptions = endpointOptions;
        _clock = clock;
        Pace = new AcceptPace(clock);
        Refusals = new Refusals(metrics, clock, logger);
        Limits = new LimitReports(clock, logger);
        _peers = Apply(options.CurrentValue.Limits);
        _subscriptions =
        [
            options.OnChange((changed, _) => Apply(changed.Limits)),
            endpointOptions.OnChange((changed, name) => Apply(changed, name)),
        ];
    }

    public Places Places { get; } = new();

    public PeerCounts PeerCounts { get; } = new();

    public AcceptPace Pace { get; }

    public Refusals Refusals { get; }

    public LimitReports Limits { get; }

    /// <summary>The bounds per address, as they are now.</summary>
    public PeerLimits Peers => _peers;

    /// <summary>For the start, before anything is accepted.</summary>
    public EndpointAdmission AddEndpoint(string name)
    {
        var endpoint = new EndpointAdmission(name, this);
        endpoint.Apply(_endpointOptions.Get(name));
        lock (_endpoints)
        {
            _endpoints.Add(name, endpoint);
        }

        return endpoint;
    }

    /// <summary>The settings are followed no more; what was admitted can still leave.</summary>
    public void Dispose() => Array.ForEach(_subscriptions, static subscription => subscription?.Dispose());

    private PeerLimits Apply(ServerLimits limits)
    {
        Places.Max = limits.MaxConnections ?? int.MaxValue;
        Pace.PerSecond = limits.AcceptsPerSecond;

        // What the addresses have used of an old rate counts for one that is the same.
        var rate = limits.ConnectionsPerSecondPerAddress is not { } perSecond ? null
            : _peers?.RateLimiter is { } before && before.PerSecond == perSecond ? before
            : new PeerRateLimiter(perSecond, _clock);
        return _peers = new PeerLimits(limits.MaxConnectionsPerAddress ?? Math.Max(1, Places.Max / 2), rate, new NetworkSet(limits.ExemptNetworks));
    }

    private void Apply(EndpointOptions options, string? name)
    {
        EndpointAdmission? endpoint;
        lock (_endpoints)
        {
            _endpoints.TryGetValue(name ?? "", out endpoint);
        }

        endpoint?.Apply(options);
    }
}

/// <summary>The bounds per address.</summary>
/// <param name="MaxConnections">How many connections an address has at most.</param>
/// <param name="RateLimiter">How many of it are accepted in a second; null is any number.</param>
/// <param name="Exempt">Whom neither bounds.</param>
internal sealed record PeerLimits(int MaxConnections, PeerRateLimiter? RateLimiter, NetworkSet Exempt);
