namespace Peregrine.Server;

/// <summary>Options of the server, from code and from the configuration section <c>Peregrine</c>, which wins.</summary>
public sealed class PeregrineOptions
{
    /// <summary>
    /// How long a stop waits for handlers to end and connections to close, after it has asked them to. Default 25 seconds; from zero to one day.
    /// What is still open then is reset, and counted in the log.
    /// </summary>
    /// <remarks>The host's own <c>HostOptions.ShutdownTimeout</c> is raised to five seconds more than this, if it is less.</remarks>
    public TimeSpan ShutdownTimeout { get; set; } = TimeSpan.FromSeconds(25);

    /// <summary>
    /// Whether a start that fails throws <see cref="PeregrineStartException"/> from the host's start. Default <see langword="false"/>: the
    /// failure is logged as one Critical line, <see cref="Environment.ExitCode"/> becomes 1, and the host stops as soon as it has started.
    /// Set it where a host is embedded and its owner handles exceptions, or where other services must not start without the server. From code
    /// only.
    /// </summary>
    /// <remarks>
    /// With the default, the host's other services are started before it stops, and a <c>Main</c> that returns a number overrides the exit
    /// code: return <see cref="Environment.ExitCode"/> there.
    /// </remarks>
    public bool ThrowOnStartFailure { get; set; }
}
