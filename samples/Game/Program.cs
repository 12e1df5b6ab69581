using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Game;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine;
using Peregrine.Middleware;
using Peregrine.Sockets;

if (args is ["play", ..])
{
    return await PlayAsync(args is [_, var address] ? address : args.Length == 1 ? "127.0.0.1:7300" : "");
}

// The settings are beside the program, wherever it is started from.
var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });
builder.Services.AddSingleton(new World(Random.Shared));
builder.Services.AddSingleton(new DatagramCookies());
builder.Services.AddSingleton<GameServer>();
builder.Services.AddHostedService(static services => services.GetRequiredService<GameServer>());
builder.Services.AddPeregrine(static server => server.UdpEndpoint("game", static udp =>
{
    var game = udp.ApplicationServices.GetRequiredService<GameServer>();
    udp.UseSessions(
        options =>
        {
            // As many again are told that the field is full.
            options.MaxSessions = 2 * World.MostPlayers;
            options.IdleTimeout = TimeSpan.FromSeconds(5);
            options.Admit = game.Admit;
        },
        game.PlayAsync);
}));
await builder.Build().RunAsync();
return Environment.ExitCode;

static async Task<int> PlayAsync(string server)
{
    if (!IPEndPoint.TryParse(server, out var address) || address.Port == 0)
    {
        Console.Error.WriteLine("usage: Game play [address:port], as in Game play 127.0.0.1:7300, or [::1]:7300 for IPv6");
        return 2;
    }

    if (Console.IsInputRedirected || Console.IsOutputRedirected)
    {
        Console.Error.WriteLine("Game play takes a terminal: its input or output is redirected.");
        return 2;
    }

    var transport = new DatagramTransport(new DatagramTransportOptions(), NullLoggerFactory.Instance);
    IDatagramSocket connected;
    try
    {
        connected = await transport.ConnectAsync(address);
    }
    catch (SocketException exception)
    {
        Console.Error.WriteLine($"Nothing can be sent to {address}: {exception.Message}");
        return 1;
    }

    await using var socket = connected;
    var client = new Client(socket, TimeProvider.System);
    using var leaving = new CancellationTokenSource();
    Console.CancelKeyPress += (_, key) =>
    {
        key.Cancel = true;
        leaving.Cancel();
    };
    using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Leave);
    using var hungUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Leave);
    var playing = client.PlayAsync(leaving.Token);
    await new Terminal(client, TimeProvider.System).RunAsync(playing, leaving.Token);
    await leaving.CancelAsync();
    if (await playing)
    {
        Console.WriteLine("The server has said goodbye.");
    }

    return 0;

    // By the way that gives the terminal back.
    void Leave(PosixSignalContext signal)
    {
        signal.Cancel = true;
        leaving.Cancel();
    }
}
