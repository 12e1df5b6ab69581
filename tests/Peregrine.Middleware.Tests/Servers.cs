using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Peregrine.Server;

namespace Peregrine.Middleware.Tests;

/// <summary>Real servers on real sockets with a pipeline that is under test.</summary>
internal static class Servers
{
    public static async Task<RunningServer> PeregrineAsync(
        Action<IConnectionBuilder> configure, ConnectionScheduling scheduling = ConnectionScheduling.ThreadPool, RecordedLog? log = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        if (log is not null)
        {
            builder.Logging.SetMinimumLevel(LogLevel.Trace).AddProvider(log);
        }

        builder.Services.AddPeregrine(server => server
            .Configure(options => options.ThrowOnStartFailure = true)
            .Listen("tcp://127.0.0.1:0", options => options.Scheduling = scheduling, configure));
        var host = builder.Build();
        await host.StartAsync();
        return new RunningServer(host, (IPEndPoint)host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0]);
    }

    public static async Task<RunningServer> KestrelAsync(
        Action<IConnectionBuilder> configure, RecordedLog? log = null, bool inline = false, TimeProvider? clock = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        if (log is not null)
        {
            builder.Logging.SetMinimumLevel(LogLevel.Trace).AddProvider(log);
        }

        if (clock is not null)
        {
            builder.Services.AddSingleton(clock);
        }

        builder.WebHost.UseKestrelCore().UseSockets(sockets => sockets.UnsafePreferInlineScheduling = inline)
            .ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => configure(listen)));
        var app = builder.Build();
        await app.StartAsync();
        return new RunningServer(app, IPEndPoint.Parse(new Uri(app.Urls.Single()).Authority));
    }
}

internal sealed class RunningServer(IHost host, IPEndPoint address) : IAsyncDisposable
{
    public IPEndPoint Address => address;

    public IServiceProvider Services => host.Services;

    public async Task<NetworkStream> ConnectAsync()
    {
        var client = new Socket(
            AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await client.ConnectAsync(address);
        return new NetworkStream(client, ownsSocket: true);
    }

    /// <summary>Connects, and is reset: the reset may be there before the connect has returned.</summary>
    public async Task IsResetAsync()
    {
        var failure = await Record.ExceptionAsync(async () =>
        {
            await using var refused = await ConnectAsync();
            await refused.ReadAsync(new byte[1]).Bounded();
        });
        Assert.True(failure is IOException or SocketException, $"It was not reset: {failure}");
    }

    public async ValueTask DisposeAsync()
    {
        await host.StopAsync().Bounded();
        host.Dispose();
    }
}

internal static class Handlers
{
    /// <summary>Echoes until the peer's end.</summary>
    public static async Task EchoAsync(ConnectionContext connection)
    {
        while (true)
        {
            var read = await connection.Transport.Input.ReadAsync();
            foreach (var segment in read.Buffer)
            {
                await connection.Transport.Output.WriteAsync(segment);
            }

            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return;
            }
        }
    }
}
