using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peregrine.Middleware;

/// <summary>What the middleware needs of a pipeline's services; all of it may be missing, as on a client.</summary>
internal static class PipelineServices
{
    /// <summary>The application's clock, or the system's.</summary>
    public static TimeProvider ClockOf(IServiceProvider? services) => Get<TimeProvider>(services) ?? TimeProvider.System;

    /// <summary>A logger that throws nothing.</summary>
    public static GuardedLogger LoggerOf(IServiceProvider? services, string category) =>
        new(Get<ILoggerFactory>(services)?.CreateLogger(category) ?? NullLogger.Instance);

    /// <summary>The server's meter, of which there is one for each application, so that its instruments are one, too; null where nobody measures.</summary>
    public static Meter? MeterOf(IServiceProvider? services) => Get<IMeterFactory>(services)?.Create(new MeterOptions("Peregrine.Server"));

    private static T? Get<T>(IServiceProvider? services)
        where T : class
        => services?.GetService(typeof(T)) as T;
}
