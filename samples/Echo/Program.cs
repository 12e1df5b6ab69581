using Echo;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine;

// The settings are beside the program, wherever it is started from.
var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });
builder.Services.AddSystemd();
builder.AddTelemetry();
builder.Services.AddPeregrine(server => server
    .Endpoint("echo", tcp => tcp.UseConnectionHandler<EchoHandler>())
    .UdpEndpoint("echo-udp", udp => udp.UseDatagramHandler<UdpEchoHandler>()));
await builder.Build().RunAsync();
