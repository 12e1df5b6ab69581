using System.Net;
using System.Net.Sockets;
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
    private const string PrometheusUrl = "OpenTelemetry:Prometheus:Url";
    private const string PrometheusExample = "http://localhost:9464/";

    public static IHostApplicationBuilder AddTelemetry(this IHostApplicationBuilder builder)
    {
        var collector = ReadUrl(builder.Configuration, "OpenTelemetry:Otlp:Endpoint", "http://localhost:4317");
        var prometheus = CheckPage(ReadUrl(builder.Configuration, PrometheusUrl, PrometheusExample));
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

    private static Uri? ReadUrl(IConfiguration configuration, string setting, string example)
    {
        if (configuration[setting] is not { Length: > 0 } text)
        {
            return null;
        }

        return Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
            ? url : Refuse($"{setting} = \"{text}\" is not a url such as {example}.");
    }

    /// <summary>What cannot be listened on would end the host later, with a stack trace in its log.</summary>
    private static Uri? CheckPage(Uri? url)
    {
        if (url is not { Scheme: "http", PathAndQuery: "/" })
        {
            return url is null ? null : Refuse($"{PrometheusUrl} = \"{url.OriginalString}\" takes http, a host and a port alone, such as {PrometheusExample}; the page is /metrics.");
        }

        try
        {
            using var trial = new HttpListener { Prefixes = { url.AbsoluteUri } };
            trial.Start();
            return url;
        }
        catch (Exception exception) when (exception is HttpListenerException or SocketException)
        {
            return Refuse($"{PrometheusUrl} = \"{url.OriginalString}\" cannot be listened on: {exception.Message} Choose another port, or an address of this machine.");
        }
    }

    private static Uri? Refuse(string problem)
    {
        Console.Error.WriteLine(problem);
        Environment.Exit(1);
        return null;
    }
}
