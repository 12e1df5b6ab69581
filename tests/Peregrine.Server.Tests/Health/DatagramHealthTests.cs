using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Server.Health;
using Peregrine.Server.Tests.Datagrams;

namespace Peregrine.Server.Tests.Health;

/// <summary>Readiness of servers with datagram endpoints, over the in-memory transports; the probe's port is a real one.</summary>
public sealed class DatagramHealthTests
{
    [Fact]
    public async Task A_suspended_datagram_endpoint_is_not_ready_until_it_is_resumed()
    {
        await using var server = new TestServer(builder => builder
            .Listen("tcp", "tcp://127.0.0.1:0", tcp => tcp.Run(Handlers.EchoAsync))
            .ListenUdp("udp", "udp://127.0.0.1:0", udp => udp.Run(DatagramServer.EchoAsync)));
        var health = server.Host.Services.GetRequiredService<ServerHealth>();
        Assert.Equal("The server does not accept yet.", health.NotReady);
        await server.StartAsync();
        Assert.Null(health.NotReady);
        var udp = server.Server.Endpoints[1];
        await udp.SuspendAsync();
        Assert.Equal("The endpoint \"udp\" is suspended.", health.NotReady);
        Assert.Null(health.NotLive);
        await udp.ResumeAsync();
        Assert.Null(health.NotReady);
    }

    [Fact]
    public async Task A_suspension_that_still_waits_for_a_handler_is_not_ready()
    {
        var handling = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var finish = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = DatagramServer.Create(udp => udp.Run(async (_, _) =>
        {
            handling.TrySetResult();
            await finish.Task;
        }));
        var health = server.Host.Services.GetRequiredService<ServerHealth>();
        await server.StartAsync();
        using var client = server.Datagrams.CreateClient();
        client.Send([], server.AddressOf());
        await handling.Task.InTimeAsync();
        Assert.Null(health.NotReady);
        var suspended = server.Server.Endpoints[0].SuspendAsync();
        await DatagramEndpointTests.UntilAsync(() => health.NotReady is not null);
        Assert.Equal("The endpoint \"test\" does not receive.", health.NotReady);
        Assert.False(suspended.IsCompleted);
        finish.SetResult();
        await suspended.InTimeAsync();
        Assert.Equal("The endpoint \"test\" is suspended.", health.NotReady);
    }

    [Fact]
    public async Task A_server_of_datagrams_only_is_ready_until_its_stop_and_live_through_it()
    {
        var clock = new FakeTimeProvider();
        var goodbye = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = DatagramServer.Create(
            udp => udp.OnStopping(_ => goodbye.Task).Run(DatagramServer.EchoAsync), new() { ["Peregrine:DrainDelay"] = "00:00:05" }, clock);
        var health = server.Host.Services.GetRequiredService<ServerHealth>();
        await server.StartAsync();
        Assert.Null(health.NotReady);
        for (var i = 0; i < 15; i++)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            Assert.Null(health.NotLive);
        }

        var stop = server.StopAsync();
        Assert.Equal("The server is being stopped (Draining).", health.NotReady);
        clock.Advance(TimeSpan.FromSeconds(5));
        await DatagramEndpointTests.UntilAsync(() => server.Server.State == ServerState.Stopping);
        Assert.Equal("The server is being stopped (Stopping).", health.NotReady);
        Assert.Null(health.NotLive);
        goodbye.SetResult();
        await stop.InTimeAsync();
        Assert.Equal("The server is being stopped (Stopped).", health.NotReady);
        Assert.Null(health.NotLive);
    }

    [Fact]
    public async Task The_probe_of_a_server_of_datagrams_only_follows_its_endpoint_and_its_stop()
    {
        var port = new IPEndPoint(IPAddress.Loopback, FreePorts.Take(IPAddress.Loopback));
        await using var server = DatagramServer.Create(udp => udp.Run(DatagramServer.EchoAsync), new() { ["Peregrine:Health:Url"] = $"tcp://{port}" });
        Assert.False(await IsOpenAsync(port));
        await server.StartAsync();
        await UntilAsync(port, isOpen: true);
        await server.Server.Endpoints[0].SuspendAsync();
        await UntilAsync(port, isOpen: false);
        await server.Server.Endpoints[0].ResumeAsync();
        await UntilAsync(port, isOpen: true);
        await server.StopAsync();
        Assert.False(await IsOpenAsync(port));
    }

    private static async Task UntilAsync(IPEndPoint port, bool isOpen)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (await IsOpenAsync(port) != isOpen)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < TestServer.Limit);
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }
    }

    private static async Task<bool> IsOpenAsync(IPEndPoint port)
    {
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await client.ConnectAsync(port).InTimeAsync();
            return await client.ReceiveAsync(new byte[1]).InTimeAsync() == 0;
        }
        catch (SocketException exception) when (exception.SocketErrorCode is SocketError.ConnectionRefused or SocketError.ConnectionReset)
        {
            return false; // Reset: it was queued when the port was closed.
        }
    }
}
