using Chat;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine.Protocols;

// The settings are beside the program, wherever it is started from.
var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });
if (!Enum.TryParse<SlowReceiverPolicy>(builder.Configuration["Chat:SlowReaders"], ignoreCase: true, out var slowReaders) || !Enum.IsDefined(slowReaders))
{
    Console.Error.WriteLine(
        $"Chat:SlowReaders is \"{builder.Configuration["Chat:SlowReaders"]}\"; it takes {string.Join(", ", Enum.GetNames<SlowReceiverPolicy>())}.");
    return 1;
}

var lines = new LineOptions { MaxMessageSizeInBytes = 1000 };
builder.Services.AddSingleton(new ChatRooms(new ConnectionRegistry(maxGroupsPerConnection: 1), slowReaders));
builder.Services.AddPeregrine(server => server.Endpoint("chat", tcp =>
    tcp.UseMessageHandler<ChatHandler, string, string>(new TextMessageReader(new LineReader(lines)), ChatRooms.Lines)));
await builder.Build().RunAsync();
return Environment.ExitCode;
