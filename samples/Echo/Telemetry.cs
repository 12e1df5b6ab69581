using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Echo;

/// <summary>
/// OpenTelemetry, for whoever asks for it: <c>OpenTelemetry:Otlp:Endpoint</c> sends metrics and traces to a collector, such as
/// <c>http://localhost:4317</c>; <c>OpenTelemetry:Prometheus:Url</c>, such as <c>http://localhost:9464/</c>, serves <c>/metrics</c> to Prometheus.
/// </summary>
internal static class Telemetry
{
    private const string Peregrine = "Peregrine.Server";

    public static IHostApplicationBuilder AddTelemetry(this IHostApplicationBuilder builder)
    {
        var collector = ReadUrl(builder.Configuration, "OpenTelemetry:Otlp:Endpoint");
        var prometheus = ReadUrl(builder.Configuration, "OpenTelemetry:Prometheus:Url");
        if (collector is null && prometheus is null)
        {
            return builder;
        }

        var telemetry = builder.Services.AddOpenTelemetry().ConfigureResource(resource => resource.AddService(builder.Environment.ApplicationName));
        telemetry.WithMetrics(metrics =>
        {
            metrics.AddMeter(Peregrine);
            if (collector is not null)
            {
                metrics.AddOtlpExporter(otlp => otlp.Endpoint = collector);
            }

            if (prometheus is not null)
            {
                // On the runtime's HttpListener: a worker needs no web framework for one page. Its makers mean it for development; in production, a
                // collector, or Prometheus itself, takes OTLP.
                metrics.AddPrometheusHttpListener(listener =>
                {
                    listener.Host = prometheus.Host;
                    listener.Port = prometheus.Port;
                });
            }
        });
        if (collector is not null)
        {
            telemetry.WithTracing(traces => traces.AddSource(Peregrine).AddOtlpExporter(otlp => otlp.Endpoint = collector));
        }

        return builder;
    }

    private static Uri? ReadUrl(IConfiguration configuration, string setting)
    {
        if (configuration[setting] is not { Length: > 0 } text)
        {
            return null;
        }

        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https")
        {
            return url;
        }

        Console.Error.WriteLine($"{setting} = \"{text}\" is not a url such as http://localhost:4317.");
        Environment.Exit(1);
        return null;
    }
}
