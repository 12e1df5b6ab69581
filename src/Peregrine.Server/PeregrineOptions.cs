using Peregrine.Server.Admin;
using Peregrine.Server.Health;
using Peregrine.Server.Limits;

namespace Peregrine.Server;

/// <summary>Options of the server, from code and from the configuration section <c>Peregrine</c>, which wins.</summary>
public sealed class PeregrineOptions
{
    /// <summary>
    /// How long a stop may take in all, <see cref="DrainDelay"/> and <see cref="CloseSpread"/> included. Default 25 seconds; from zero to one day.
    /// What is still open then is reset, and counted in the log. A second signal (SIGINT, SIGTERM or SIGQUIT) cuts it short.
    /// </summary>
    /// <remarks>The host's own <c>HostOptions.ShutdownTimeout</c> is raised to five seconds more than this, if it is less.</remarks>
    public TimeSpan ShutdownTimeout { get; set; } = TimeSpan.FromSeconds(25);

    /// <summary>
    /// How long a stop goes on accepting after <see cref="PeregrineServer.State"/> has become <see cref="ServerState.Draining"/>, so that load
    /// balancers learn of it before connections are refused. Default zero; less than <see cref="ShutdownTimeout"/>. Behind a Kubernetes service,
    /// about five seconds.
    /// </summary>
    public TimeSpan DrainDelay { get; set; }

    /// <summary>
    /// Over how long a stop spreads its requests to the connections to end (<c>IConnectionLifetimeNotificationFeature</c>), so that clients do
    /// not all come back at once. Default zero; with <see cref="DrainDelay"/> and <see cref="ClientCloseGrace"/> less than <see cref="ShutdownTimeout"/>.
    /// </summary>
    public TimeSpan CloseSpread { get; set; }

    /// <summary>
    /// How long a connection whose handler has ended because of the stop waits for its peer to close first. Default zero, with which this side
    /// sends its FIN at once. What the handler has written, its goodbye, is sent before the wait. A side that closes second has no TIME_WAIT
    /// (RFC 9293 §3.6); but a peer that waits for the end before it closes costs the whole time, and so does every peer where the system does not
    /// tell of a FIN that nobody receives (other systems than Linux). It ends two seconds before <see cref="ShutdownTimeout"/> at the latest.
    /// </summary>
    public TimeSpan ClientCloseGrace { get; set; }

    /// <summary>
    /// Whether the host is stopped, with the exit code 1, when the socket that an endpoint listens on is gone, which nothing but a mistake of the
    /// application brings about: a server that accepts nothing is of no use, and whoever started it can start it again. Default
    /// <see langword="true"/>. Otherwise it is logged as Critical, and the other endpoints go on.
    /// </summary>
    /// <remarks>A <c>Main</c> that returns a number overrides the exit code: return <see cref="Environment.ExitCode"/> there.</remarks>
    public bool StopHostWhenListenerIsGone { get; set; } = true;

    /// <summary>Bounds over all endpoints.</summary>
    public ServerLimits Limits { get; } = new();

    /// <summary>How a host without HTTP tells whether it is ready.</summary>
    public HealthOptions Health { get; } = new();

    /// <summary>How the running server can be looked at and steered by tools. Default: it cannot.</summary>
    public AdminOptions Admin { get; } = new();

    /// <summary>
    /// Whether a start that fails throws <see cref="PeregrineStartException"/> from the host's start. Default <see langword="false"/>: the
    /// failure is logged as one Critical line, <see cref="Environment.ExitCode"/> becomes 1, and the host stops as soon as it has started.
    /// Set it where a host is embedded and its owner handles exceptions, or where other services must not start without the server. From code
    /// only.
    /// </summary>
    /// <remarks>
    /// With the default, the host's other services are started before it stops, and a <c>Main</c> that returns a number overrides the exit
    /// code: return <see cref="Environment.ExitCode"/> there. Where systemd is told of the start (<c>AddSystemd</c>), it is thrown always: a host
    /// that starts in order to stop would be reported as ready.
    /// </remarks>
    public bool ThrowOnStartFailure { get; set; }
}
