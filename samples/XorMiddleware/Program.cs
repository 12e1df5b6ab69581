using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using XorMiddleware;

var builder = Host.CreateApplicationBuilder(args);
builder.Services.AddPeregrine(server => server.Listen("xor", "tcp://*:8000", tcp => tcp.UseXor(key: 0x20).Run(async connection =>
{
    // The handler knows nothing of it. (0x20 turns letters: upper case into lower case, and back.)
    var (input, output) = (connection.Transport.Input, connection.Transport.Output);
    while (await input.ReadAsync() is { Buffer.IsEmpty: false } read)
    {
        foreach (var segment in read.Buffer)
        {
            await output.WriteAsync(segment);
        }

        input.AdvanceTo(read.Buffer.End);
    }
})));
await builder.Build().RunAsync();
