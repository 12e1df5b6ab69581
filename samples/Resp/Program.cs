using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Resp;
using Resp.Commands;

// The settings are beside the program, wherever it is started from.
var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });
builder.Services.AddSystemd();
builder.Services.AddSingleton(builder.Configuration.GetSection("Resp").Get<RespServerOptions>() ?? new RespServerOptions());
builder.Services.AddSingleton(TimeProvider.System);
builder.Services.AddSingleton<Store>();
builder.Services.AddSingleton<Subscriptions>();
builder.Services.AddSingleton<Clients>();
builder.Services.AddSingleton<CommandTable>();
builder.Services.AddHostedService<ExpirySweep>();
builder.Services.AddPeregrine(server => server.Endpoint("resp", tcp => tcp.UseConnectionHandler<RespHandler>()));
await builder.Build().RunAsync();
