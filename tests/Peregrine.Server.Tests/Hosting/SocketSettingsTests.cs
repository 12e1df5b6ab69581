using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Server.Hosting;
using Peregrine.Sockets;

namespace Peregrine.Server.Tests.Hosting;

/// <summary>Options of sockets, from the configuration and from code; the real transport is behind those that only it can refuse.</summary>
public sealed class SocketSettingsTests
{
    private const string Socket = "Peregrine:Endpoints:echo:Socket";

    [Fact]
    public async Task Every_option_comes_from_the_configuration()
    {
        await using var server = new TestServer(
            builder => builder.Endpoint("echo", tcp => tcp.Run(Handlers.EchoAsync)),
            new Dictionary<string, string?>
            {
                ["Peregrine:Endpoints:echo:Url"] = "tcp://*:7000",
                [$"{Socket}:NoDelay"] = "false",
                [$"{Socket}:KeepAlive:Time"] = "00:01:00",
                [$"{Socket}:KeepAlive:Interval"] = "00:00:10",
                [$"{Socket}:KeepAlive:Count"] = "3",
                [$"{Socket}:ReceiveBufferSizeInBytes"] = "262144",
                [$"{Socket}:SendBufferSizeInBytes"] = "131072",
                [$"{Socket}:Linger"] = "00:00:00",
                [$"{Socket}:UserTimeout"] = "00:00:30",
                [$"{Socket}:UnsentLowWatermarkInBytes"] = "0",
                [$"{Socket}:Dscp"] = "46",
                [$"{Socket}:IPv6Only"] = "true",
                [$"{Socket}:Device"] = "eth0",
                [$"{Socket}:FastOpenQueueLength"] = "256",
            });
        var options = Assert.Single(server.Host.Services.GetRequiredService<ServerSettings>().ReadEndpoints()).Options.Socket;
        Assert.False(options.NoDelay);
        Assert.Equal(TimeSpan.FromMinutes(1), options.KeepAlive.Time);
        Assert.Equal(TimeSpan.FromSeconds(10), options.KeepAlive.Interval);
        Assert.Equal(3, options.KeepAlive.Count);
        Assert.Equal(262_144, options.ReceiveBufferSizeInBytes);
        Assert.Equal(131_072, options.SendBufferSizeInBytes);
        Assert.Equal(TimeSpan.Zero, options.Linger);
        Assert.Equal(TimeSpan.FromSeconds(30), options.UserTimeout);
        Assert.Equal(0, options.UnsentLowWatermarkInBytes);
        Assert.Equal(46, options.Dscp);
        Assert.True(options.IPv6Only);
        Assert.Equal("eth0", options.Device);
        Assert.Equal(256, options.FastOpenQueueLength);
    }

    [Fact]
    public async Task The_configuration_wins_over_code_key_by_key()
    {
        await using var server = new TestServer(
            builder => builder.Listen(
                "echo",
                "tcp://127.0.0.1:7000",
                options =>
                {
                    options.Socket.Dscp = 10;
                    options.Socket.KeepAlive.Count = 5;
                },
                tcp => tcp.Run(Handlers.EchoAsync)),
            new Dictionary<string, string?> { [$"{Socket}:Dscp"] = "46" });
        var options = Assert.Single(server.Host.Services.GetRequiredService<ServerSettings>().ReadEndpoints()).Options.Socket;
        Assert.Equal(46, options.Dscp);
        Assert.Equal(5, options.KeepAlive.Count);
    }

    [Theory]
    [InlineData("tcp://127.0.0.1:0", "Socket:Device", "peregrine0", "no such network interface")]
    [InlineData("tcp://127.0.0.1:0", "Socket:IPv6Only", "True", "IPv4 address")]
    [InlineData("unix:@peregrine-socket-settings", "Listeners", "4", "Unix domain socket")]
    [InlineData("unix:@peregrine-socket-settings", "Socket:Dscp", "46", "Unix domain socket")]
    [InlineData("unix:@peregrine-socket-settings", "Socket:KeepAlive:Time", "00:01:00", "Unix domain socket")]
    public async Task An_option_that_cannot_be_had_is_named_with_its_remedy(string url, string key, string value, string problem)
    {
        var setting = $"Peregrine:Endpoints:echo:{key}";
        var message = await StartAndFailAsync(
            builder => builder.Endpoint("echo", tcp => tcp.Run(Handlers.EchoAsync)),
            new() { ["Peregrine:Endpoints:echo:Url"] = url, [setting] = value });
        Assert.StartsWith($"{setting} = \"{value}\": ", message, StringComparison.Ordinal);
        Assert.Contains(problem, message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Several_listeners_and_slots_are_one_address_and_serve_every_client()
    {
        if (!OperatingSystem.IsLinux())
        {
            return; // Several listeners of one port are refused.
        }

        const int Clients = 40;
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddPeregrine(server => server.Configure(options => options.ThrowOnStartFailure = true).Listen(
            "tcp://127.0.0.1:0",
            options =>
            {
                options.Listeners = 4;
                options.AcceptSlots = 2;
            },
            tcp => tcp.Run(Handlers.EchoAsync)));
        using var host = builder.Build();
        await host.StartAsync().InTimeAsync();
        var address = Assert.Single(Assert.Single(host.Services.GetRequiredService<PeregrineServer>().Endpoints).Addresses);
        var transport = new SocketTransportFactory(new SocketTransportOptions(), NullLoggerFactory.Instance);
        var clients = new List<ConnectionContext>();
        for (var i = 0; i < Clients; i++)
        {
            clients.Add(await transport.ConnectAsync(address));
            await clients[i].SendAsync("hello");
        }

        foreach (var client in clients)
        {
            Assert.Equal("hello", await client.ReceiveAsync(5));
        }

        var stop = host.StopAsync();
        foreach (var client in clients)
        {
            Assert.Equal("", await client.ReceiveToEndAsync());
            await client.DisposeAsync();
        }

        await stop.InTimeAsync();
    }

    [Fact]
    public async Task An_option_of_code_that_cannot_be_had_names_the_endpoint()
    {
        var message = await StartAndFailAsync(
            builder => builder.Listen("tcp://127.0.0.1:0", options => options.Socket.IPv6Only = true, tcp => tcp.Run(Handlers.EchoAsync)), []);
        Assert.StartsWith("Endpoint \"tcp://127.0.0.1:0\" (in code):Socket:IPv6Only", message, StringComparison.Ordinal);
    }

    private static async Task<string> StartAndFailAsync(Action<PeregrineBuilder> configure, Dictionary<string, string?> configuration)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection(configuration);
        builder.Services.AddPeregrine(server =>
        {
            server.Configure(options => options.ThrowOnStartFailure = true);
            configure(server);
        });
        using var host = builder.Build();
        var exception = await Assert.ThrowsAsync<PeregrineStartException>(() => host.StartAsync().InTimeAsync());
        Assert.DoesNotContain('\n', exception.Message);
        return exception.Message;
    }
}
