using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Limits;

namespace Peregrine.Server.Tests.Accept;

[System.Diagnostics.CodeAnalysis.SuppressMessage("Reliability", "CA1001", Justification = "The server disposes the listener.")]
public sealed class AcceptWatchdogTests
{
    private const int WithoutProgress = 24;
    private const int Refused = 21;
    private const int AtLimit = 23;

    private readonly FakeTimeProvider _clock = new();
    private readonly StuckListener _listener = new();

    [Fact]
    public async Task Connections_that_wait_while_the_loop_does_not_accept_are_reported_once_a_minute_by_name()
    {
        await using var server = await StartAsync();
        _listener.QueuedConnections = 3;
        await BeatAsync(5);
        Assert.Empty(server.Log.WithId(WithoutProgress));
        await BeatAsync(1);
        var entry = Assert.Single(server.Log.WithId(WithoutProgress));
        Assert.Contains("\"test\"", entry.Message, StringComparison.Ordinal);
        Assert.Contains("(Accepting); 3 connections", entry.Message, StringComparison.Ordinal);
        await BeatAsync(55);
        Assert.Single(server.Log.WithId(WithoutProgress));
        await BeatAsync(10);
        Assert.Equal(2, server.Log.WithId(WithoutProgress).Count);
    }

    [Theory]
    [InlineData(0, null)]
    [InlineData(null, null)]
    [InlineData(3, SocketError.TooManyOpenSockets)]
    public async Task A_loop_that_has_nothing_to_accept_or_waits_an_error_out_is_left_alone(int? queued, SocketError? error)
    {
        await using var server = await StartAsync();
        _listener.QueuedConnections = queued;
        _listener.AcceptError = error;
        await BeatAsync(60);
        Assert.Empty(server.Log.WithId(WithoutProgress));
    }

    [Fact]
    public async Task A_loop_that_waits_because_of_a_limit_is_left_alone()
    {
        await using var server = await StartAsync(limits => limits.MaxConnections = 1);
        await using var client = await _listener.ConnectAsync();
        await WaitForAsync(() => server.Log.WithId(AtLimit).Count == 1);
        _listener.QueuedConnections = 3;
        await BeatAsync(60);
        Assert.Empty(server.Log.WithId(WithoutProgress));
        client.Abort();
    }

    [Fact]
    public async Task Errors_that_the_listener_waits_out_are_counted_by_their_type()
    {
        await using var server = await StartAsync();
        using var meter = new RecordedMeter(server);
        _listener.AcceptFailed!(SocketError.TooManyOpenSockets);
        var (value, tags) = Assert.Single(meter.Recorded("peregrine.server.accept.errors"));
        Assert.Equal((1, "test", "TooManyOpenSockets"), (value, tags["peregrine.endpoint"], tags["error.type"]));
    }

    [Fact]
    public async Task A_step_that_takes_no_time_and_does_not_end_is_reported()
    {
        await using var server = await StartAsync(endpoint: endpoint => endpoint.Addresses.Deny.Add(IPNetwork.Parse("127.0.0.0/8")));
        server.Log.BlocksId = Refused; // It is logged inside the loop.
        await using var client = await _listener.ConnectAsync();
        await WaitForAsync(() => server.Log.WithId(Refused).Count == 1);
        await BeatAsync(7);
        Assert.Contains("(Admitting)", Assert.Single(server.Log.WithId(WithoutProgress)).Message, StringComparison.Ordinal);
        server.Log.Gate.Set();
        client.Abort();
    }

    private async Task<TestServer> StartAsync(Action<ServerLimits>? limits = null, Action<EndpointOptions>? endpoint = null)
    {
        var server = new TestServer(
            builder => builder.Listen("test", "tcp://127.0.0.1:1", endpoint ?? (static _ => { }), tcp => tcp.Run(Handlers.EchoAsync))
                .Configure(options => limits?.Invoke(options.Limits)),
            clock: _clock,
            transport: transport => new StuckTransport(_listener, transport));
        await server.StartAsync();
        await WaitForAsync(() => _listener.IsAccepting);
        return server;
    }

    private async Task BeatAsync(int times)
    {
        for (var i = 0; i < times; i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }
    }

    private static async Task WaitForAsync(Func<bool> condition)
    {
        for (var i = 0; i < 2_000 && !condition(); i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        Assert.True(condition());
    }

    private sealed class StuckTransport(StuckListener listener, IConnectionListenerFactory inner) : IConnectionListenerFactory
    {
        public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
        {
            listener.Inner = await inner.BindAsync(endpoint, cancellationToken);
            listener.Connect = () => ((IConnectionFactory)inner).ConnectAsync(endpoint, CancellationToken.None);
            return listener;
        }
    }

    /// <summary>Accepts what comes, and says that more is there.</summary>
    private sealed class StuckListener : IConnectionListener, IConnectionListenerStatus
    {
        private volatile bool _isAccepting;

        public IConnectionListener Inner { get; set; } = null!;

        public Func<ValueTask<ConnectionContext>> Connect { get; set; } = null!;

        public int? QueuedConnections { get; set; }

        public SocketError? AcceptError { get; set; }

        public Action<SocketError>? AcceptFailed { get; set; }

        public bool IsAccepting => _isAccepting;

        public EndPoint EndPoint => Inner.EndPoint;

        public ValueTask<ConnectionContext> ConnectAsync() => Connect();

        public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            _isAccepting = true;
            return Inner.AcceptAsync(cancellationToken);
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => Inner.UnbindAsync(cancellationToken);

        public ValueTask DisposeAsync() => Inner.DisposeAsync();
    }
}
