using System.Net;
using System.Security.Cryptography.X509Certificates;
using Echo;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Peregrine.Middleware;
using Peregrine.Server;

namespace Peregrine.LoadTest.Contestants;

internal static class PeregrineContestant
{
    public static async Task<RunningServer> StartAsync(
        Service service, X509Certificate2? certificate, ConnectionScheduling scheduling, bool logging, bool metrics)
    {
        var collector = metrics ? MetricsCollector.Start() : null;
        var builder = Host.CreateApplicationBuilder();

        // Standard output is for the port.
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Warning).AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.AddPeregrine(server => server
            .Listen("tcp://127.0.0.1:0", endpoint => endpoint.Scheduling = scheduling, tcp =>
            {
                if (logging)
                {
                    // At the minimum level above, it is off.
                    tcp.UseConnectionLogging();
                }

                if (certificate is not null)
                {
                    tcp.UseTls(certificate);
                }

                _ = service switch
                {
                    Service.Echo => tcp.UseConnectionHandler<EchoHandler>(),
                    Service.Sink => tcp.UseConnectionHandler<SinkHandler>(),
                    Service.Broadcast => tcp.UseConnectionHandler<BroadcastHandler>(),
                    _ => tcp.UseConnectionHandler<AnswerHandler>(),
                };
            })
            .Configure(options => options.ThrowOnStartFailure = true));
        var host = builder.Build();
        await host.StartAsync();
        var address = (IPEndPoint)host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0];
        return new RunningServer(address.Port, async () =>
        {
            await host.StopAsync();
            collector?.Dispose();
        });
    }
}
