using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Server.Hosting;

namespace Peregrine.Server.Tests.Admission;

/// <summary>The limits of the whole server, over the in-memory transport.</summary>
public sealed class AdmissionTests
{
    private const int Refused = 21;
    private const int RefusedSinceLastReport = 22;
    private const int AtLimit = 23;
    private const int ListenerGone = 7;
    private const string MaxConnections = "Peregrine:Limits:MaxConnections";
    private const string MaxPerAddress = "Peregrine:Limits:MaxConnectionsPerAddress";

    [Fact]
    public async Task Beyond_the_limit_clients_wait_and_are_served_as_places_come_free()
    {
        await using var server = await StartAsync(new() { [MaxConnections] = "2", [MaxPerAddress] = "9" });
        var served = new[] { await ConnectAsync(server), await ConnectAsync(server) };
        await Task.WhenAll(served.Select(client => EchoAsync(client)));
        var waiting = await ConnectAsync(server);
        await waiting.SendAsync("hello");
        await WaitForAsync(() => server.Log.WithId(AtLimit).Count == 1);
        Assert.Contains($"{MaxConnections} (2)", server.Log.WithId(AtLimit)[0].Message, StringComparison.Ordinal);
        Assert.Equal(2, server.Server.Endpoints[0].Connections);

        served[0].Abort();
        Assert.Equal("hello", await waiting.ReceiveAsync(5));
        Assert.Equal(2, server.Server.Endpoints[0].Connections);
        Assert.Empty(server.Log.WithId(Refused));
    }

    [Fact]
    public async Task Raising_the_limit_wakes_the_loops_and_lowering_it_closes_nothing()
    {
        await using var server = await StartAsync(new() { [MaxConnections] = "1", [MaxPerAddress] = "9" });
        var first = await ConnectAsync(server);
        await EchoAsync(first);
        var second = await ConnectAsync(server);
        await second.SendAsync("hello");
        await WaitForAsync(() => server.Log.WithId(AtLimit).Count == 1);
        Set(server, MaxConnections, "2");
        Assert.Equal("hello", await second.ReceiveAsync(5));
        Set(server, MaxConnections, "1");
        await EchoAsync(first);
        await EchoAsync(second);
        Assert.Equal(2, server.Server.Endpoints[0].Connections);
    }

    [Fact]
    public async Task A_loop_that_waits_to_accept_keeps_no_place_from_another_endpoint()
    {
        await using var server = await StartAsync(new() { [MaxConnections] = "1", [MaxPerAddress] = "9" }, "one", "two");
        for (var round = 0; round < 50; round++)
        {
            var client = await server.ConnectAsync(server.Server.Endpoints[round % 2].Addresses[0]);
            await EchoAsync(client);
            var other = await server.ConnectAsync(server.Server.Endpoints[(round + 1) % 2].Addresses[0]);
            await other.SendAsync("hello");
            Assert.Equal(1, server.Server.Admission!.Places.Count);
            client.Abort();
            Assert.Equal("hello", await other.ReceiveAsync(5));
            other.Abort();
        }

        await WaitForAsync(() => server.Server.Admission!.Places.Count == 0);
    }

    [Fact]
    public async Task One_connection_too_many_of_an_address_is_reset_counted_and_logged()
    {
        await using var server = await StartAsync(new() { [MaxPerAddress] = "2" });
        using var meter = new RecordedMeter(server);
        var served = new[] { await ConnectAsync(server), await ConnectAsync(server) };
        await Task.WhenAll(served.Select(client => EchoAsync(client)));
        for (var i = 0; i < 20; i++)
        {
            await Assert.ThrowsAsync<ConnectionResetException>(async () => await (await ConnectAsync(server)).ReceiveToEndAsync());
        }

        var rejected = meter.Recorded("peregrine.server.connections.rejected");
        Assert.Equal(20, rejected.Count);
        Assert.All(rejected, one => Assert.Equal(("test", "rejected_connections_per_address"), (one.Tags["peregrine.endpoint"], one.Tags["peregrine.close.reason"])));
        Assert.Equal(20, server.Log.WithId(Refused).Count);
        Assert.Contains(MaxPerAddress, Assert.Single(server.Log.WithId(RefusedSinceLastReport)).Message, StringComparison.Ordinal);
        served[0].Abort();
        await WaitForAsync(() => server.Server.Endpoints[0].Connections == 1);
        await EchoAsync(await ConnectAsync(server));
        Assert.Equal(3, meter.Recorded("peregrine.server.connections.accepted").Count);
    }

    [Fact]
    public async Task An_address_that_is_denied_is_reset_and_can_connect_when_the_rule_is_gone()
    {
        const string Deny = "Peregrine:Endpoints:test:Addresses:Deny:0";
        await using var server = await StartAsync(new() { [Deny] = "127.0.0.0/8" });
        await Assert.ThrowsAsync<ConnectionResetException>(async () => await (await ConnectAsync(server)).ReceiveToEndAsync());
        Assert.Contains("Peregrine:Endpoints:test:Addresses", Assert.Single(server.Log.WithId(RefusedSinceLastReport)).Message, StringComparison.Ordinal);
        Set(server, Deny, "10.0.0.0/8");
        await EchoAsync(await ConnectAsync(server));
    }

    [Fact]
    public async Task Open_connections_are_counted_rightly_for_whoever_begins_to_listen_late()
    {
        await using var server = await StartAsync([]);
        var client = await ConnectAsync(server);
        await EchoAsync(client);
        using var meter = new RecordedMeter(server);
        var (value, tags) = Assert.Single(meter.Observe("peregrine.server.connections.active"));
        Assert.Equal((1, "test"), (value, tags["peregrine.endpoint"]));
        client.Abort();
        await WaitForAsync(() => server.Server.Endpoints[0].Connections == 0);
        Assert.Equal(0, Assert.Single(meter.Observe("peregrine.server.connections.active")).Value);
    }

    [Fact]
    public async Task A_stop_at_the_limit_asks_connections_to_end_and_serves_what_is_queued()
    {
        await using var server = await StartAsync(new() { [MaxConnections] = "2", [MaxPerAddress] = "99" }, handler: AnswerAsync);
        var clients = new List<ConnectionContext>();
        for (var i = 0; i < 20; i++)
        {
            clients.Add(await ConnectAsync(server));
            await clients[i].SendAsync("x");
        }

        await WaitForAsync(() => server.Log.WithId(AtLimit).Count == 1);
        var stop = server.StopAsync();
        var answers = await Task.WhenAll(clients.Select(client => client.ReceiveToEndAsync()));
        await Task.WhenAll(clients.Select(client => client.DisposeAsync().AsTask()));
        await stop;
        Assert.All(answers, answer => Assert.Equal("x", answer));

        // Answers its byte when it is asked to end.
        static async Task AnswerAsync(ConnectionContext connection)
        {
            await connection.CloseRequested().WhenFiredAsync();
            var read = await connection.Transport.Input.ReadAsync();
            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            await connection.SendAsync("x");
        }
    }

    [Fact]
    public async Task A_suspend_at_the_limit_ends_in_ten_seconds_and_what_found_no_place_is_reset()
    {
        var clock = new FakeTimeProvider();
        await using var server = await StartAsync(new() { [MaxConnections] = "1", [MaxPerAddress] = "9" }, clock: clock);
        using var meter = new RecordedMeter(server);
        var served = await ConnectAsync(server);
        await EchoAsync(served);
        var waiting = new[] { await ConnectAsync(server), await ConnectAsync(server) };
        var suspending = server.Server.Endpoints[0].SuspendAsync();
        await WaitForAsync(() => server.Server.Admission!.Places.HeldCount == 1);
        clock.Advance(TimeSpan.FromSeconds(9.9));
        Assert.False(suspending.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(0.1));
        await suspending.InTimeAsync();
        foreach (var client in waiting)
        {
            await Assert.ThrowsAsync<ConnectionResetException>(() => client.ReceiveToEndAsync());
        }

        Assert.Equal(["server_stopping", "server_stopping"], meter.Recorded("peregrine.server.connections.rejected").Select(one => one.Tags["peregrine.close.reason"]));
        await EchoAsync(served);
        await server.Server.Endpoints[0].ResumeAsync();
        served.Abort();
        await WaitForAsync(() => server.Server.Endpoints[0].Connections == 0);
        await EchoAsync(await ConnectAsync(server));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_listener_that_is_gone_stops_the_host_unless_it_is_told_otherwise(bool stops)
    {
        IConnectionListener? listener = null;
        await using var server = new TestServer(
            builder => builder.Listen("test", "tcp://127.0.0.1:0", tcp => tcp.Run(Handlers.EchoAsync)).Configure(options => options.StopHostWhenListenerIsGone = stops),
            transport: inner => new ObservedTransport(inner, bound => listener = bound));
        await server.StartAsync();
        var lifetime = server.Host.Services.GetRequiredService<IHostApplicationLifetime>();
        await listener!.UnbindAsync(); // Not by the server.
        await WaitForAsync(() => server.Log.WithId(ListenerGone).Count == 1);
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Critical, server.Log.WithId(ListenerGone)[0].Level);
        if (stops)
        {
            await lifetime.ApplicationStopping.WhenFiredAsync().InTimeAsync();
            Assert.Equal(1, Environment.ExitCode);
            Environment.ExitCode = 0; // It is this process's, too.
        }
        else
        {
            Assert.False(lifetime.ApplicationStopping.IsCancellationRequested);
        }
    }

    [Fact]
    public async Task A_listener_of_metrics_that_throws_ends_nothing()
    {
        await using var server = await StartAsync(new() { [MaxPerAddress] = "1" });
        using var meter = new System.Diagnostics.Metrics.MeterListener();
        var meters = server.Host.Services.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>();
        meter.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == meters)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        meter.SetMeasurementEventCallback<long>((_, _, _, _) => throw new InvalidOperationException("Full."));
        meter.SetMeasurementEventCallback<double>((_, _, _, _) => throw new InvalidOperationException("Full."));
        meter.Start();
        for (var i = 0; i < 10; i++)
        {
            var client = await ConnectAsync(server);
            await EchoAsync(client);
            await Assert.ThrowsAsync<ConnectionResetException>(async () => await (await ConnectAsync(server)).ReceiveToEndAsync());
            client.Abort();
            await WaitForAsync(() => server.Server.Admission!.Places.Count == 0);
        }
    }

    private static Task<TestServer> StartAsync(Dictionary<string, string?> configuration, params string[] endpoints) =>
        StartAsync(configuration, null, null, endpoints);

    private static async Task<TestServer> StartAsync(
        Dictionary<string, string?> configuration, ConnectionDelegate? handler = null, TimeProvider? clock = null, string[]? endpoints = null)
    {
        var server = new TestServer(
            builder =>
            {
                foreach (var name in endpoints is null or [] ? ["test"] : endpoints)
                {
                    builder.Listen(name, "tcp://127.0.0.1:0", tcp => tcp.Run(connection => (handler ?? Handlers.EchoAsync)(connection)));
                }
            },
            configuration,
            clock);
        await server.StartAsync();
        return server;
    }

    private static Task<ConnectionContext> ConnectAsync(TestServer server) => server.ConnectAsync();

    private static async Task EchoAsync(ConnectionContext client)
    {
        await client.SendAsync("hello");
        Assert.Equal("hello", await client.ReceiveAsync(5));
    }

    private static void Set(TestServer server, string key, string? value)
    {
        var configuration = (IConfigurationRoot)server.Host.Services.GetRequiredService<IConfiguration>();
        configuration[key] = value;
        configuration.Reload();
    }

    private static async Task WaitForAsync(Func<bool> condition)
    {
        for (var i = 0; i < 2_000 && !condition(); i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        Assert.True(condition());
    }

    private sealed class ObservedTransport(IConnectionListenerFactory inner, Action<IConnectionListener> onBound) : IConnectionListenerFactory
    {
        public async ValueTask<IConnectionListener> BindAsync(System.Net.EndPoint endpoint, CancellationToken cancellationToken = default)
        {
            var listener = await inner.BindAsync(endpoint, cancellationToken);
            onBound(listener);
            return listener;
        }
    }
}
