using System.Net;
using Echo;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Peregrine.Server;
using Peregrine.Server.Datagrams;

namespace Peregrine.LoadTest.Contestants.Datagrams;

internal static class PeregrineDatagramContestant
{
    public static async Task<RunningServer> StartAsync(Service service, Action<DatagramEndpointOptions> configure)
    {
        var builder = Host.CreateApplicationBuilder();

        // Standard output is for the port.
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Warning).AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.AddPeregrine(server => server
            .ListenUdp("udp://127.0.0.1:0", configure, udp => _ = service switch
            {
                Service.Sink => udp.UseDatagramHandler<DatagramSinkHandler>(),
                Service.Source => udp.UseDatagramHandler<DatagramSourceHandler>(),
                _ => udp.UseDatagramHandler<UdpEchoHandler>(),
            })
            .Configure(options => options.ThrowOnStartFailure = true));
        var host = builder.Build();
        await host.StartAsync();
        var address = (IPEndPoint)host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0];
        return new RunningServer(address.Port, () => host.StopAsync());
    }
}

internal sealed class DatagramSinkHandler : DatagramHandler
{
    public override ValueTask OnDatagramsAsync(DatagramBatch batch, DatagramSender sender)
    {
        SinkCount.Add(batch.Count);
        return default;
    }
}

internal sealed class DatagramSourceHandler : DatagramHandler
{
    private readonly byte[] _answer = SourceRequest.CreateAnswer();

    public override async ValueTask OnDatagramsAsync(DatagramBatch batch, DatagramSender sender)
    {
        for (var i = 0; i < batch.Count; i++)
        {
            if (SourceRequest.TryRead(batch[i].Payload.Span) is not { } request)
            {
                continue;
            }

            var path = batch[i].Path;
            for (var index = 0; index < request.Count; index++)
            {
                request.WriteHead(_answer, index);
                await sender.SendAsync(_answer, path);
            }
        }
    }
}
