using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine;
using Telemetry;

// The settings are beside the program, wherever it is started from.
var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });
var mostNames = builder.Configuration["Telemetry:MaxNames"] ?? "10000";
if (!int.TryParse(mostNames, NumberStyles.None, CultureInfo.InvariantCulture, out var names) || names < 1)
{
    Console.Error.WriteLine($"Telemetry:MaxNames is \"{mostNames}\"; it takes a number from 1.");
    return 1;
}

builder.Services.AddSingleton(new Metrics(names));
builder.Services.AddSingleton(Console.Out);
builder.Services.AddHostedService<Report>();
builder.Services.AddPeregrine(server => server.UdpEndpoint("telemetry", udp => udp.UseDatagramHandler<TelemetryHandler>()));
await builder.Build().RunAsync();
return Environment.ExitCode;
