using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;
using Peregrine.Server.Accept;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Health;
using Peregrine.Server.Limits;
using Peregrine.Server.Tests.Timeouts;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Tests.Health;

/// <summary>What hangs for ten seconds makes the server not live, and its return makes it live again. By a clock that only the test moves.</summary>
public sealed class LivenessTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly Gate _gate = new();

    [Fact]
    public async Task A_heartbeat_that_hangs_for_ten_seconds_is_not_live_until_it_ends()
    {
        await using var server = Create<ServerHeartbeat>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Name == "peregrine.server.heartbeat.duration" && instrument.Meter.Scope == server.Host.Services.GetRequiredService<IMeterFactory>())
            {
                own.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => _gate.Wait()); // It is recorded inside the beat.
        listener.Start();
        await server.StartAsync();
        await HangsAsync(server, "The look at the connections' timeouts, once a second, has not ended for 10 seconds.");
    }

    [Fact]
    public async Task A_watchdog_that_hangs_for_ten_seconds_is_not_live_until_it_ends()
    {
        await using var server = Create<AcceptWatchdog>(transport => new HangingTransport(transport, _gate));
        await server.StartAsync();
        await _gate.WhenAccepting.InTimeAsync();
        await HangsAsync(server, "The look at the accept loops, once a second, has not ended for 10 seconds.");
    }

    [Fact]
    public async Task An_event_loop_that_a_handler_holds_for_ten_seconds_is_not_live_until_it_is_free()
    {
        await using var server = Create<AcceptWatchdog>();
        await server.StartAsync();
        var metrics = new ServerMetrics(server.Host.Services.GetRequiredService<IMeterFactory>());
        var logger = server.Log.CreateLogger("test");
        using var watchdog = new AcceptWatchdog([], _time, logger);
        using var pauses = new ReadPauses(_time);
        var supervision = new ServerSupervision(new SupervisedClock(_time), new HandshakeSlots(() => 1), new EndReport(metrics, _time, logger), pauses);
        using var heartbeat = new ServerHeartbeat([], [], supervision, server.Host.Services.GetRequiredService<IOptionsMonitor<PeregrineOptions>>(), metrics, _time, logger);
        var held = TimeSpan.Zero;
        var health = new ServerHealth(server.Server, _time);
        Assert.Null(health.NotLive);
        health.Watch(new WatchedServer([], watchdog, heartbeat, () => held));
        Assert.Null(health.NotLive);
        held = TimeSpan.FromSeconds(9.9);
        Assert.Null(health.NotLive);
        held = TimeSpan.FromSeconds(10);
        Assert.Equal("A handler has held an event loop for 10 seconds, in which no other connection of that loop was served.", health.NotLive);
        held = TimeSpan.FromMilliseconds(1);
        Assert.Null(health.NotLive);
    }

    public void Dispose() => _gate.Dispose();

    private async Task HangsAsync(TestServer server, string problem)
    {
        var health = server.Host.Services.GetRequiredService<ServerHealth>();
        Assert.Null(health.NotLive);
        _gate.Close();
        Pass(1);
        await _gate.WhenReached.InTimeAsync();
        Pass(8);
        Assert.Null(health.NotLive);
        Pass(1);
        Assert.Equal(problem, health.NotLive);
        Assert.Null(health.NotReady);
        _gate.Open();
        await SupervisedServer.UntilAsync(() => health.NotLive is null);
    }

    private void Pass(int seconds)
    {
        for (var i = 0; i < seconds; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
        }
    }

    private TestServer Create<TWatched>(Func<IConnectionListenerFactory, IConnectionListenerFactory>? transport = null) => new(
        builder => builder.Listen("test", "tcp://127.0.0.1:0", tcp => tcp.Run(Handlers.EchoAsync)), clock: new PoolClock<TWatched>(_time), transport: transport);

    /// <summary>The timer of one kind of owner calls on the thread pool, so that it can hang without the test; all others inside the call that moves the time.</summary>
    private sealed class PoolClock<TOwner>(FakeTimeProvider inner) : TimeProvider
    {
        public override long TimestampFrequency => inner.TimestampFrequency;

        public override long GetTimestamp() => inner.GetTimestamp();

        public override DateTimeOffset GetUtcNow() => inner.GetUtcNow();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            inner.CreateTimer(state is TOwner ? owner => ThreadPool.QueueUserWorkItem(_ => callback(owner)) : callback, state, dueTime, period);
    }

    /// <summary>Open, until it is closed.</summary>
    private sealed class Gate : IDisposable
    {
        private readonly ManualResetEventSlim _open = new(initialState: true);
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _accepting = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Completes when somebody waits.</summary>
        public Task WhenReached => _reached.Task;

        /// <summary>Completes when a loop accepts: only then does the watchdog ask its listener.</summary>
        public Task WhenAccepting => _accepting.Task;

        public void OnAccepting() => _accepting.TrySetResult();

        public void Close() => _open.Reset();

        public void Open() => _open.Set();

        public void Wait()
        {
            if (!_open.IsSet)
            {
                _reached.TrySetResult();
                _open.Wait(TestServer.Limit);
            }
        }

        public void Dispose() => _open.Set();
    }

    /// <summary>Its listeners do not answer while the gate is closed.</summary>
    private sealed class HangingTransport(IConnectionListenerFactory inner, Gate gate) : IConnectionListenerFactory
    {
        public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
            new Listener(await inner.BindAsync(endpoint, cancellationToken), gate);

        private sealed class Listener(IConnectionListener inner, Gate gate) : IConnectionListener, IConnectionListenerStatus
        {
            public EndPoint EndPoint => inner.EndPoint;

            public int? QueuedConnections
            {
                get
                {
                    gate.Wait();
                    return 0;
                }
            }

            public SocketError? AcceptError => null;

            public Action<SocketError>? AcceptFailed { get; set; }

            public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
            {
                gate.OnAccepting();
                return inner.AcceptAsync(cancellationToken);
            }

            public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => inner.UnbindAsync(cancellationToken);

            public ValueTask DisposeAsync() => inner.DisposeAsync();
        }
    }
}
