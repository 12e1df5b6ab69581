using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Peregrine;
using Peregrine.Server;
using Peregrine.Server.Admin;
using Peregrine.Server.Datagrams;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Health;
using Peregrine.Server.Hosting;
using Peregrine.Server.Hosting.Systemd;
using Peregrine.Sockets;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds Peregrine to an application.</summary>
public static class PeregrineServiceCollectionExtensions
{
    /// <summary>
    /// Adds a server that starts and stops with the host. Called again, it adds to the same server. Its settings are the application's
    /// configuration, section <c>Peregrine</c>.
    /// </summary>
    /// <remarks>
    /// Endpoints are bound before the host's other services start, and accept after they have started; at the stop, connections are ended
    /// before the other services are stopped. Where the application has called <c>AddSystemd</c>, the unit's watchdog is fed, too.
    /// </remarks>
    public static IServiceCollection AddPeregrine(this IServiceCollection services, Action<PeregrineBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        configure(GetOrAddBuilder(services));
        return services;
    }

    private static PeregrineBuilder GetOrAddBuilder(IServiceCollection services)
    {
        foreach (var descriptor in services)
        {
            if (descriptor is { IsKeyedService: false, ImplementationInstance: PeregrineBuilder existing })
            {
                return existing;
            }
        }

        var builder = new PeregrineBuilder(services);
        services.AddSingleton(builder);
        services.AddLogging();
        services.AddMetrics();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(new PeregrineServer());
        services.AddSingleton(provider => new ServerHealth(provider.GetRequiredService<PeregrineServer>(), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new ServerSettings(builder, provider.GetService<IConfiguration>()));
        services.AddSingleton(provider => new LiveSettings(
            provider.GetRequiredService<ServerSettings>(),
            () => new DescriptorBudget(FileDescriptors.Limit, FileDescriptors.CountOpen() ?? 0, IsBinding: builder.Transport is null && builder.Endpoints.Count > 0),
            provider.GetService<IConfiguration>(),
            provider.GetRequiredService<ILoggerFactory>()));
        services.AddSingleton<IOptionsMonitor<PeregrineOptions>>(static provider => provider.GetRequiredService<LiveSettings>());
        services.AddSingleton<IOptionsMonitor<EndpointOptions>>(static provider => provider.GetRequiredService<LiveSettings>());
        services.AddSingleton<IOptionsMonitor<DatagramEndpointOptions>>(static provider => provider.GetRequiredService<LiveSettings>());
        services.TryAddSingleton(static provider => new PeregrineAdmin(
            provider.GetRequiredService<PeregrineServer>(), provider.GetRequiredService<LiveSettings>(), provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILoggerFactory>()));
        services.AddHostedService<PeregrineHostedService>();
        services.AddHostedService(provider => new SystemdWatchdog(
            provider.GetService<ISystemdNotifier>(), Environment.GetEnvironmentVariable, Environment.ProcessId, provider.GetRequiredService<TimeProvider>(),
            new GuardedLogger(provider.GetRequiredService<ILoggerFactory>().CreateLogger(ServerLog.Category))));
        services.AddOptions<HostOptions>().PostConfigure<ServerSettings>(static (host, settings) => settings.LeaveTimeForTheStop(host));
        return builder;
    }
}
