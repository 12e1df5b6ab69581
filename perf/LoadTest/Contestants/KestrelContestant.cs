using System.Net;
using System.Security.Cryptography.X509Certificates;
using Echo;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Peregrine.LoadTest.Contestants;

internal static class KestrelContestant
{
    public static async Task<RunningServer> StartAsync(Service service, X509Certificate2? certificate, bool inline)
    {
        var builder = WebApplication.CreateSlimBuilder();

        // Standard output is for the port.
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Warning).AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (certificate is not null)
            {
                listen.UseHttps(certificate);
            }

            _ = service switch
            {
                Service.Echo => listen.UseConnectionHandler<EchoHandler>(),
                Service.Sink => listen.UseConnectionHandler<SinkHandler>(),
                Service.Broadcast => listen.UseConnectionHandler<BroadcastHandler>(),
                _ => listen.UseConnectionHandler<AnswerHandler>(),
            };
        }));
        builder.WebHost.UseSockets(sockets => sockets.UnsafePreferInlineScheduling = inline);
        var app = builder.Build();
        await app.StartAsync();
        return new RunningServer(new Uri(app.Urls.First()).Port, () => app.StopAsync());
    }
}
