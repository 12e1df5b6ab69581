using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Peregrine.Middleware.Tls;

/// <summary>What a pipeline's services give to TLS.</summary>
internal sealed record TlsEnvironment(ILogger Logger, TimeProvider Clock, TlsMetrics Metrics)
{
    public ReportInterval Unforeseen { get; } = new(Clock);

    public static TlsEnvironment Of(IConnectionBuilder builder, bool isServer)
    {
        var services = builder.ApplicationServices;
        return new TlsEnvironment(
            PipelineServices.LoggerOf(services, TlsLog.Category), PipelineServices.ClockOf(services),
            new TlsMetrics(isServer ? PipelineServices.MeterOf(services) : null, (builder as IEndpointConnectionBuilder)?.EndpointName));
    }
}
