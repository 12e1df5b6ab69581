using Microsoft.Extensions.Diagnostics.HealthChecks;
using Peregrine.Server.Health;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds Peregrine to the health checks of an application.</summary>
public static class PeregrineHealthChecksBuilderExtensions
{
    /// <summary>
    /// Adds the checks <c>peregrine.live</c> (with the tag <c>live</c>) and <c>peregrine.ready</c> (<c>ready</c>) of the server that <c>AddPeregrine</c> has added to
    /// the services.
    /// </summary>
    /// <remarks>
    /// <para>Ready: every endpoint accepts, none is suspended, and no stop has begun, be it in its <c>DrainDelay</c>. A server at a limit is ready.</para>
    /// <para>
    /// Live: for ten seconds nothing has hung that takes no time: no accept loop, no event loop in a handler, none of the looks of each second; and no listener is
    /// gone. A stop that is under way is no failure.
    /// </para>
    /// </remarks>
    /// <param name="builder">The application's health checks.</param>
    /// <param name="failureStatus">What is reported of a check that fails. Default <see cref="HealthStatus.Unhealthy"/>.</param>
    public static IHealthChecksBuilder AddPeregrine(this IHealthChecksBuilder builder, HealthStatus? failureStatus = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder
            .Add(new HealthCheckRegistration("peregrine.live", provider => Check(provider, static health => health.NotLive), failureStatus, ["live"]))
            .Add(new HealthCheckRegistration("peregrine.ready", provider => Check(provider, static health => health.NotReady), failureStatus, ["ready"]));
    }

    private static ServerCheck Check(IServiceProvider provider, Func<ServerHealth, string?> problem) => new(
        provider.GetService<ServerHealth>() ?? throw new InvalidOperationException("There is no server whose health could be checked; call services.AddPeregrine(…), too."),
        problem);

    private sealed class ServerCheck(ServerHealth health, Func<ServerHealth, string?> problem) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(context);
            return Task.FromResult(
                problem(health) is { } found ? new HealthCheckResult(context.Registration.FailureStatus, found) : HealthCheckResult.Healthy());
        }
    }
}
