using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;
using Peregrine.Server.Tests.Timeouts;

namespace Peregrine.Server.Tests.Diagnostics;

/// <summary>What only real sockets have.</summary>
public sealed class SocketMetricsTests
{
    private const string Meter = "peregrine.server.";
    private const int Large = 16 << 20;

    [Fact]
    public async Task The_time_that_flushes_wait_for_a_peer_is_added_up()
    {
        var clock = new FakeTimeProvider();
        var serving = new TaskCompletionSource<ConnectionContext>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var host = await StartAsync(
            "tcp://127.0.0.1:0",
            async connection =>
            {
                serving.SetResult(connection);
                await connection.Transport.Output.WriteAsync(new byte[Large]);
                await connection.Transport.Input.ReadAsync();
            },
            clock);
        using var meter = new RecordedMeter(host.Services);
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(AddressOf(host));
        var buffers = (await serving.Task.InTimeAsync()).Features.Get<IConnectionBufferFeature>()!;
        await SupervisedServer.UntilAsync(() => buffers.IsSendPending);
        clock.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(3, Assert.Single(meter.Observe(Meter + "backpressure.duration")).Value);
        clock.Advance(TimeSpan.FromSeconds(2));
        await ReceiveAsync(client, Large);
        await SupervisedServer.UntilAsync(() => !buffers.IsSendPending);
        clock.Advance(TimeSpan.FromSeconds(7)); // Nothing waits any more.
        var (waited, tags) = Assert.Single(meter.Observe(Meter + "backpressure.duration"));
        Assert.Equal((5, "tcp"), (waited, tags["network.transport"]));
        Assert.Equal(Large, Assert.Single(meter.Observe(Meter + "connection.write.bytes")).Value);

        client.Shutdown(SocketShutdown.Both);
        await SupervisedServer.UntilAsync(() => host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Connections == 0);
        Assert.Equal(5, Assert.Single(meter.Observe(Meter + "backpressure.duration")).Value);
        Assert.True(Assert.Single(meter.Observe(Meter + "pool.allocated")).Value > 0);
        Assert.True(Assert.Single(meter.Observe(Meter + "pool.rented")).Value >= 0);
        Assert.Equal(0, Assert.Single(meter.Observe(Meter + "accept.queue.overflows")).Value);
        Assert.NotEmpty(meter.Observe(Meter + "tcp.sockets"));
    }

    [Fact]
    public async Task The_drops_of_an_accept_queue_go_on_over_a_suspend()
    {
        using var host = await StartAsync("tcp://127.0.0.1:0", Handlers.EchoAsync, TimeProvider.System, endpoint => endpoint.Backlog = 1, options => options.Limits.MaxConnections = 1);
        using var meter = new RecordedMeter(host.Services);
        var clients = Enumerable.Range(0, 8).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)).ToList();
        var connects = clients.ConvertAll(client => client.ConnectAsync(AddressOf(host)));
        await SupervisedServer.UntilAsync(() => meter.Observe(Meter + "accept.queue.overflows")[0].Value > 0);
        clients.ForEach(client => client.Dispose());
        await Task.WhenAll(connects.Select(connect => connect.ContinueWith(_ => { }, TaskScheduler.Default)));
        var endpoint = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];
        await endpoint.SuspendAsync().InTimeAsync();
        var before = Assert.Single(meter.Observe(Meter + "accept.queue.overflows")).Value;
        Assert.True(before > 0);
        await endpoint.ResumeAsync().InTimeAsync();
        Assert.True(Assert.Single(meter.Observe(Meter + "accept.queue.overflows")).Value >= before);
    }

    [Fact]
    public async Task An_endpoint_on_a_Unix_domain_socket_says_so()
    {
        using var host = await StartAsync($"unix:@{Guid.NewGuid()}", Handlers.EchoAsync, TimeProvider.System);
        using var meter = new RecordedMeter(host.Services);
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await client.ConnectAsync(host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0]);
        await client.SendAsync(new byte[3]);
        await ReceiveAsync(client, 3);
        Assert.Equal("unix", Assert.Single(meter.Recorded(Meter + "connections.accepted")).Tags["network.transport"]);
        Assert.Equal("unix", Assert.Single(meter.Observe(Meter + "connections.active")).Tags["network.transport"]);
        Assert.Equal(3, Assert.Single(meter.Observe(Meter + "connection.read.bytes")).Value);
        Assert.Empty(meter.Observe(Meter + "accept.queue.overflows"));
    }

    private static async Task<IHost> StartAsync(
        string url, ConnectionDelegate handler, TimeProvider clock, Action<Peregrine.Server.Endpoints.EndpointOptions>? endpoint = null,
        Action<PeregrineOptions>? options = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton(clock);
        builder.Services.AddPeregrine(server => server
            .Listen("test", url, endpoint ?? (static _ => { }), tcp => tcp.Run(connection => handler(connection)))
            .Configure(all =>
            {
                all.ThrowOnStartFailure = true;
                all.ShutdownTimeout = TimeSpan.FromSeconds(1);
                options?.Invoke(all);
            }));
        var host = builder.Build();
        await host.StartAsync().InTimeAsync();
        return host;
    }

    private static EndPoint AddressOf(IHost host) => host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0];

    private static async Task ReceiveAsync(Socket client, int count)
    {
        var buffer = new byte[1 << 16];
        while (count > 0)
        {
            var received = await client.ReceiveAsync(buffer).InTimeAsync();
            Assert.NotEqual(0, received);
            count -= received;
        }
    }
}
