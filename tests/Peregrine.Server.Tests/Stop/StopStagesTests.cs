using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Peregrine.Server.Tests.Stop;

/// <summary>The stages of a stop, one after the other, by a clock that only the test moves.</summary>
public sealed class StopStagesTests
{
    private const int Stopped = 3;
    private const int DrainDeadline = 4;
    private const int Started = 9;
    private const int Progress = 15;

    private readonly WatchedClock _clock = new();

    [Fact]
    public async Task The_state_tells_what_the_server_is_doing()
    {
        await using var server = CreateServer(AnswerAsync, options => options.DrainDelay = TimeSpan.FromSeconds(5));
        Assert.Equal(ServerState.Starting, server.Server.State);
        await server.StartAsync();
        Assert.Equal(ServerState.Running, server.Server.State);
        var holding = await server.ConnectAsync();
        await UntilAsync(() => server.Log.WithId(Started).Count == 1);

        var stop = server.StopAsync();
        await UntilAsync(() => server.Server.State == ServerState.Draining);
        var late = await server.ConnectAsync();
        await late.SendAsync("?");
        Assert.Equal("answer", await late.ReceiveToEndAsync());

        await AdvanceUntilAsync(() => server.Server.State == ServerState.Stopping);
        await Assert.ThrowsAnyAsync<Exception>(() => server.ConnectAsync());
        await holding.Transport.Output.CompleteAsync();
        await stop;
        Assert.Equal(ServerState.Stopped, server.Server.State);
    }

    [Fact]
    public async Task Requests_to_end_are_spread()
    {
        const int Connections = 100;
        var step = TimeSpan.FromMilliseconds(100);
        var asked = 0;
        await using var server = CreateServer(
            async connection =>
            {
                await connection.CloseRequested().WhenFiredAsync();
                Interlocked.Increment(ref asked);
            },
            options => options.CloseSpread = TimeSpan.FromSeconds(10));
        await server.StartAsync();
        for (var i = 0; i < Connections; i++)
        {
            await server.ConnectAsync();
        }

        await UntilAsync(() => server.Log.WithId(Started).Count == Connections);
        var stop = server.StopAsync();
        for (var steps = 1; steps <= Connections; steps++)
        {
            // One of them at each step. The clock goes on when the next step is waited for.
            await UntilAsync(() => _clock.Timers(step) == steps && Volatile.Read(ref asked) == steps);
            _clock.Advance(step);
        }

        await stop;
        Assert.Equal(Connections, asked);
        Assert.Empty(server.Log.WithId(DrainDeadline));
    }

    [Fact]
    public async Task A_client_may_close_first_after_the_goodbye()
    {
        await using var server = CreateServer(GoodbyeAsync, options => options.ClientCloseGrace = TimeSpan.FromSeconds(5));
        await server.StartAsync();
        var client = await server.ConnectAsync();
        await UntilAsync(() => server.Log.WithId(Started).Count == 1);
        var stop = server.StopAsync();
        Assert.Equal("goodbye", await client.ReceiveAsync(7));
        await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        Assert.False(stop.IsCompleted);
        Assert.False(client.Transport.Input.TryRead(out _), "The server closed first.");
        await client.Transport.Output.CompleteAsync();
        await stop;
        Assert.Contains(nameof(Peregrine.Features.ConnectionCloseReason.ServerStopping), Assert.Single(server.Log.WithId(10)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_does_not_close_after_the_goodbye_is_closed()
    {
        var grace = TimeSpan.FromSeconds(6);
        await using var server = CreateServer(GoodbyeAsync, options => options.ClientCloseGrace = grace);
        await server.StartAsync();
        var client = await server.ConnectAsync();
        await UntilAsync(() => server.Log.WithId(Started).Count == 1);
        var stop = server.StopAsync();
        await UntilAsync(() => _clock.Timers(grace) == 1);
        _clock.Advance(grace);
        Assert.Equal("goodbye", await client.ReceiveToEndAsync());
        await stop;
    }

    [Fact]
    public async Task Progress_is_logged_and_measured()
    {
        var finish = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = CreateServer(
            connection =>
            {
                connection.CloseRequested().UnsafeRegister(_ => asked.SetResult(), null);
                return finish.Task;
            },
            options => options.ShutdownTimeout = TimeSpan.FromHours(1));
        using var meter = new RecordedMeter(server);
        await server.StartAsync();
        await server.ConnectAsync();
        await UntilAsync(() => server.Log.WithId(Started).Count == 1);
        Assert.Empty(meter.Observe("peregrine.server.drain.remaining"));
        var stop = server.StopAsync();
        await asked.Task.InTimeAsync();
        await AdvanceUntilAsync(() => server.Log.WithId(Progress) is [_, .., var last] && last.Message.Contains("waiting for connections", StringComparison.Ordinal));
        var message = server.Log.WithId(Progress)[^1].Message;
        Assert.Contains("1 connections have handlers at work, 0 are closing", message, StringComparison.Ordinal);
        var (value, tags) = Assert.Single(meter.Observe("peregrine.server.drain.remaining"));
        Assert.Equal(1, value);
        Assert.Equal("test", tags["peregrine.endpoint"]);
        Assert.Equal("handling", tags["peregrine.stage"]);
        finish.SetResult();
        await stop;
        Assert.Empty(meter.Observe("peregrine.server.drain.remaining"));
        var (duration, ended) = Assert.Single(meter.Recorded("peregrine.server.connection.duration"));
        Assert.InRange(duration, 9, 3600);
        Assert.Equal("server_stopping", ended["peregrine.close.reason"]);
    }

    [Fact]
    public async Task A_client_that_says_nothing_after_the_goodbye_gets_its_end_before_the_deadline()
    {
        await using var server = CreateServer(GoodbyeAsync, options => options.ClientCloseGrace = TimeSpan.FromSeconds(24));
        await server.StartAsync();
        var client = await server.ConnectAsync();
        await UntilAsync(() => server.Log.WithId(Started).Count == 1);
        var stop = server.StopAsync();
        await AdvanceUntilAsync(() => stop.IsCompleted);
        Assert.Equal("goodbye", await client.ReceiveToEndAsync());
        Assert.Empty(server.Log.WithId(DrainDeadline));
    }

    [Theory]
    [InlineData(25, 0, "DrainDelay (00:00:25)")]
    [InlineData(0, 25, "ClientCloseGrace (00:00:25)")]
    [InlineData(10, 15, "DrainDelay (00:00:10)")]
    public async Task Waits_that_leave_no_time_are_refused(int drainDelay, int grace, string expected)
    {
        await using var server = CreateServer(AnswerAsync, options =>
        {
            options.DrainDelay = TimeSpan.FromSeconds(drainDelay);
            options.ClientCloseGrace = TimeSpan.FromSeconds(grace);
        });
        var failure = await server.StartAndFailAsync();
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.Contains("raise it", failure.Message, StringComparison.Ordinal);
    }

    private static async Task AnswerAsync(ConnectionContext connection)
    {
        var read = await connection.Transport.Input.ReadAsync();
        connection.Transport.Input.AdvanceTo(read.Buffer.End);
        if (read.Buffer.Length > 0)
        {
            await connection.SendAsync("answer");
        }
    }

    private static async Task GoodbyeAsync(ConnectionContext connection)
    {
        await connection.CloseRequested().WhenFiredAsync();
        await connection.SendAsync("goodbye");
    }

    private TestServer CreateServer(ConnectionDelegate handler, Action<PeregrineOptions> options) => new(
        builder => builder.Endpoint("test", tcp => tcp.Run(connection => handler(connection))).Configure(options),
        new Dictionary<string, string?> { ["Peregrine:Endpoints:test:Url"] = "tcp://127.0.0.1:0" },
        _clock);

    private Task AdvanceUntilAsync(Func<bool> isDone) => UntilAsync(isDone, () => _clock.Advance(TimeSpan.FromSeconds(1)));

    private static async Task UntilAsync(Func<bool> isDone, Action? step = null)
    {
        var started = Stopwatch.GetTimestamp();
        while (!isDone())
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < TestServer.Limit, "It never came to that.");
            step?.Invoke();
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }

    /// <summary>Tells how many timers were made of it, so that a test advances it only when somebody waits.</summary>
    private sealed class WatchedClock : FakeTimeProvider
    {
        private readonly ConcurrentQueue<TimeSpan> _timers = new();

        public int Timers(TimeSpan dueTime) => _timers.Count(timer => timer == dueTime);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            _timers.Enqueue(dueTime);
            return timer;
        }
    }
}
