using System.Buffers;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

var builder = Host.CreateApplicationBuilder(args);
builder.Logging.AddSimpleConsole(console => console.SingleLine = true).AddFilter("Microsoft.Hosting.Lifetime", LogLevel.Warning);
builder.Services.AddPeregrine(server => server.Listen("first", "tcp://*:8000", tcp =>
{
    var log = tcp.ApplicationServices.GetRequiredService<ILogger<Program>>();
    tcp.Run(async connection =>
    {
        log.LogInformation("{Client} connected", connection.RemoteEndPoint);
        try
        {
            var (input, output) = (connection.Transport.Input, connection.Transport.Output);
            var stopping = connection.Features.Get<IConnectionLifetimeNotificationFeature>()!.ConnectionClosedRequested;
            while (await input.ReadAsync(stopping) is { Buffer.IsEmpty: false } read)
            {
                output.Write("Server received: "u8);
                foreach (var segment in read.Buffer)
                {
                    output.Write(segment.Span);
                }

                input.AdvanceTo(read.Buffer.End);
                await output.FlushAsync(CancellationToken.None);
            }
        }
        finally
        {
            log.LogInformation("{Client} disconnected", connection.RemoteEndPoint);
        }
    });
}));
await builder.Build().RunAsync();
