using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine.Protocols;
using Readings;

var builder = Host.CreateApplicationBuilder(args);
builder.Services.AddSingleton<Measurements>();
builder.Services.AddPeregrine(server => server.Listen("readings", "tcp://*:7100", tcp =>
    tcp.UseMessageHandler<ReadingsHandler, Request, Answer>(new RequestReader(), new AnswerWriter())));
await builder.Build().RunAsync();
