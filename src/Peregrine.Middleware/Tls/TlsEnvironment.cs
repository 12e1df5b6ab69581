using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peregrine.Middleware.Tls;

/// <summary>What a pipeline's services give to TLS; all of it may be missing, as on a client.</summary>
internal sealed record TlsEnvironment(ILogger Logger, TimeProvider Clock, TlsMetrics Metrics)
{
    public ReportInterval Unforeseen { get; } = new(Clock);

    public static TlsEnvironment Of(IConnectionBuilder builder, bool isServer)
    {
        var services = builder.ApplicationServices;
        var logger = Get<ILoggerFactory>(services)?.CreateLogger("Peregrine.Tls");
        return new TlsEnvironment(
            logger is null ? NullLogger.Instance : new GuardedLogger(logger),
            Get<TimeProvider>(services) ?? TimeProvider.System,
            new TlsMetrics(isServer ? Get<IMeterFactory>(services) : null, (builder as IEndpointConnectionBuilder)?.EndpointName));
    }

    private static T? Get<T>(IServiceProvider? services)
        where T : class
        => services?.GetService(typeof(T)) as T;
}
