using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Server.Tests.Timeouts;

namespace Peregrine.Server.Tests.Health;

/// <summary>What the health checks say, over the in-memory transport, by a clock that only the test moves.</summary>
public sealed class HealthTests
{
    private const int Refused = 21;

    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public async Task Readiness_goes_first_at_a_stop_and_liveness_stays()
    {
        var finish = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = Create(_ => finish.Task, options => options.DrainDelay = TimeSpan.FromSeconds(5));
        Assert.Equal("The server does not accept yet.", await NotReadyAsync(server));
        Assert.Null(await NotLiveAsync(server));
        await server.StartAsync();
        Assert.Null(await NotReadyAsync(server));

        await server.ConnectAsync();
        await SupervisedServer.UntilAsync(() => server.Server.Endpoints[0].Connections == 1);
        var stop = server.StopAsync();
        Assert.Equal("The server is being stopped (Draining).", await NotReadyAsync(server));
        await server.ConnectAsync(); // It still accepts.
        await SupervisedServer.UntilAsync(() => server.Server.Endpoints[0].Connections == 2);
        Assert.Null(await NotLiveAsync(server));

        _clock.Advance(TimeSpan.FromSeconds(5));
        await SupervisedServer.UntilAsync(() => server.Server.State == ServerState.Stopping);
        Assert.Equal("The server is being stopped (Stopping).", await NotReadyAsync(server));
        Assert.Null(await NotLiveAsync(server));
        finish.SetResult();
        await stop;
        Assert.Equal("The server is being stopped (Stopped).", await NotReadyAsync(server));
        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(await NotLiveAsync(server));
    }

    [Fact]
    public async Task A_suspended_endpoint_is_not_ready_until_it_is_resumed()
    {
        await using var server = Create(Handlers.EchoAsync);
        await server.StartAsync();
        await server.Server.Endpoints[0].SuspendAsync();
        Assert.Equal("The endpoint \"test\" is suspended.", await NotReadyAsync(server));
        Assert.Null(await NotLiveAsync(server));
        await server.Server.Endpoints[0].ResumeAsync();
        Assert.Null(await NotReadyAsync(server));
    }

    [Fact]
    public async Task A_server_at_its_limit_is_ready()
    {
        await using var server = Create(Handlers.EchoAsync, options => options.Limits.MaxConnections = 1);
        await server.StartAsync();
        await server.ConnectAsync();
        await SupervisedServer.UntilAsync(() => server.Server.Endpoints[0].Connections == 1);
        Assert.Null(await NotReadyAsync(server));
    }

    [Fact]
    public async Task A_listener_that_is_gone_is_neither_ready_nor_live()
    {
        IConnectionListener? listener = null;
        await using var server = Create(
            Handlers.EchoAsync, options => options.StopHostWhenListenerIsGone = false,
            transport => new ObservedTransport(transport, bound => listener = bound));
        await server.StartAsync();
        Assert.Null(await NotReadyAsync(server));
        await listener!.DisposeAsync();
        await SupervisedServer.UntilAsync(() => server.Log.WithId(7).Count == 1);
        Assert.Equal("The endpoint \"test\" does not accept.", await NotReadyAsync(server));
        Assert.Equal("The listener of the endpoint \"test\" is gone.", await NotLiveAsync(server));
    }

    [Fact]
    public async Task An_accept_loop_that_hangs_for_ten_seconds_is_not_live_until_it_goes_on()
    {
        await using var server = Create(Handlers.EchoAsync, endpoint: endpoint => endpoint.Addresses.Deny.Add(IPNetwork.Parse("127.0.0.0/8")));
        server.Log.BlocksId = Refused; // It is logged inside the loop.
        await server.StartAsync();
        await server.ConnectAsync();
        await SupervisedServer.UntilAsync(() => server.Log.WithId(Refused).Count == 1);
        Pass(10);
        Assert.Null(await NotLiveAsync(server));
        Pass(1);
        Assert.Equal("A loop that accepts for the endpoint \"test\" has made no progress for 10 seconds (Admitting).", await NotLiveAsync(server));
        server.Log.BlocksId = null;
        server.Log.Gate.Set();
        for (string? problem = ""; problem is not null; problem = await NotLiveAsync(server).InTimeAsync())
        {
            Pass(1);
        }
    }

    [Fact]
    public void Health_checks_without_a_server_say_what_is_missing()
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddHealthChecks().AddPeregrine();
        using var host = builder.Build();
        var registrations = host.Services.GetRequiredService<Microsoft.Extensions.Options.IOptions<HealthCheckServiceOptions>>().Value.Registrations;
        Assert.Equal([("peregrine.live", "live"), ("peregrine.ready", "ready")], registrations.Select(check => (check.Name, check.Tags.Single())));
        Assert.Contains("services.AddPeregrine", Assert.Throws<InvalidOperationException>(() => registrations.First().Factory(host.Services)).Message, StringComparison.Ordinal);
    }

    private void Pass(int seconds)
    {
        for (var i = 0; i < seconds; i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
        }
    }

    private TestServer Create(
        ConnectionDelegate handler, Action<PeregrineOptions>? options = null, Func<IConnectionListenerFactory, IConnectionListenerFactory>? transport = null,
        Action<Peregrine.Server.Endpoints.EndpointOptions>? endpoint = null) => new(
        builder => builder.Listen("test", "tcp://127.0.0.1:0", endpoint ?? (static _ => { }), tcp => tcp.Run(connection => handler(connection)))
            .Configure(all => options?.Invoke(all)),
        clock: _clock, services: services => services.AddHealthChecks().AddPeregrine(), transport: transport);

    private static Task<string?> NotReadyAsync(TestServer server) => CheckAsync(server, "ready");

    private static Task<string?> NotLiveAsync(TestServer server) => CheckAsync(server, "live");

    private static async Task<string?> CheckAsync(TestServer server, string tag)
    {
        var report = await server.Host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(check => check.Tags.Contains(tag));
        var entry = Assert.Single(report.Entries);
        Assert.Equal($"peregrine.{tag}", entry.Key);
        Assert.Equal(entry.Value.Description is null, entry.Value.Status == HealthStatus.Healthy);
        return entry.Value.Description;
    }

    private sealed class ObservedTransport(IConnectionListenerFactory inner, Action<IConnectionListener> onBound) : IConnectionListenerFactory
    {
        public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
        {
            var listener = await inner.BindAsync(endpoint, cancellationToken);
            onBound(listener);
            return listener;
        }
    }
}
