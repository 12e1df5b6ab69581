using System.Diagnostics.Metrics;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;

namespace Peregrine.Middleware.Tests.Timeouts;

/// <summary>Where no server keeps timeouts: second by second, by a clock that only the test moves.</summary>
public sealed class TimeoutTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new();
    private readonly RecordedLog _log = new(LogLevel.Debug);
    private long _flushesThatWait;

    [Fact]
    public async Task A_peer_that_sends_no_byte_is_ended_in_time_and_one_that_has_is_not()
    {
        await using var pipeline = Build(timeouts => timeouts.FirstByte = TimeSpan.FromSeconds(3), Handlers.EchoAsync);
        var good = await pipeline.ConnectAsync();
        await EchoAsync(good);
        var bad = await pipeline.ConnectAsync();
        await EndsAfterAsync(bad, 3, ConnectionCloseReason.FirstByteTimeout);
        Pass(10);
        await EchoAsync(good);
        Assert.Single(_log.WithId(30));
        Assert.Contains("UseTimeouts, FirstByte", _log.WithId(30)[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_begins_later_has_its_whole_time()
    {
        await using var pipeline = Build(timeouts => timeouts.FirstByte = TimeSpan.FromSeconds(3), Handlers.EchoAsync);
        await EndsAfterAsync(await pipeline.ConnectAsync(), 3, ConnectionCloseReason.FirstByteTimeout);
        _clock.Advance(TimeSpan.FromHours(1));
        await EndsAfterAsync(await pipeline.ConnectAsync(), 3, ConnectionCloseReason.FirstByteTimeout);
        var other = await pipeline.ConnectAsync();
        Pass(2);
        await EndsAfterAsync(await pipeline.ConnectAsync(), 3, ConnectionCloseReason.FirstByteTimeout);
        Assert.True(other.Server.ConnectionClosed.IsCancellationRequested);
    }

    [Fact]
    public async Task A_peer_that_is_silent_while_it_is_awaited_is_ended_and_what_is_written_to_it_does_not_keep_it()
    {
        await using var pipeline = Build(timeouts => timeouts.Idle = TimeSpan.FromSeconds(5), Handlers.EchoAsync);
        var run = await pipeline.ConnectAsync();
        for (var i = 0; i < 5; i++)
        {
            Pass(4);
            await EchoAsync(run);
        }

        for (var i = 0; i < 4; i++)
        {
            Pass(1);
            await run.Server.Transport.Output.WriteAsync(new byte[10]);
            Assert.False(run.Ended.IsCompleted);
        }

        await EndsWithinAsync(run, 3, ConnectionCloseReason.IdleTimeout);
    }

    [Fact]
    public async Task A_handler_that_does_not_read_keeps_its_connection()
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pipeline = Build(
            timeouts =>
            {
                timeouts.Idle = TimeSpan.FromSeconds(2);
                timeouts.FirstByte = TimeSpan.FromSeconds(2);
            },
            _ => done.Task);
        var run = await pipeline.ConnectAsync();
        Pass(30);
        Assert.False(run.Server.ConnectionClosed.IsCancellationRequested);
        done.SetResult();
        await run.Ended.Bounded();
    }

    [Fact]
    public async Task A_peer_that_takes_nothing_is_ended_and_one_that_takes_slowly_is_not()
    {
        await using var pipeline = Build(timeouts => timeouts.WriteProgress = TimeSpan.FromSeconds(3), connection => WriteAsync(connection, 40_000));
        var run = await pipeline.ConnectAsync();
        await TestTimeout.UntilAsync(() => Interlocked.Read(ref _flushesThatWait) > 0);
        for (var i = 0; i < 10; i++)
        {
            Pass(2);
            var before = Interlocked.Read(ref _flushesThatWait);
            var read = await run.Client.Transport.Input.ReadAtLeastAsync(65_000).Bounded();
            run.Client.Transport.Input.AdvanceTo(read.Buffer.End);

            // Time passes only while a flush waits: the clock of the test is faster than the handler.
            await TestTimeout.UntilAsync(() => Interlocked.Read(ref _flushesThatWait) > before);
        }

        Assert.False(run.Server.ConnectionClosed.IsCancellationRequested);
        await EndsWithinAsync(run, 6, ConnectionCloseReason.WriteTimeout);
    }

    [Fact]
    public async Task A_flush_that_is_cancelled_tells_nothing_of_the_peer()
    {
        await using var pipeline = Build(timeouts => timeouts.WriteProgress = TimeSpan.FromSeconds(3), connection => WriteAsync(connection, 80_000));
        var run = await pipeline.ConnectAsync();
        await TestTimeout.UntilAsync(() => Interlocked.Read(ref _flushesThatWait) > 0);
        for (var i = 0; i < 5; i++)
        {
            Pass(1);
            var before = Interlocked.Read(ref _flushesThatWait);
            run.Server.Transport.Output.CancelPendingFlush();
            await TestTimeout.UntilAsync(() => Interlocked.Read(ref _flushesThatWait) > before || run.Ended.IsCompleted);
        }

        await EndsWithinAsync(run, 1, ConnectionCloseReason.WriteTimeout);
    }

    [Fact]
    public async Task A_connection_that_ends_during_a_beat_is_not_ended_by_it()
    {
        var done = new TaskCompletionSource();
        await using var services = Pipeline.Services(_log, _clock);
        await using var pipeline = Pipeline.Build(
            services, builder => builder.UseTimeouts(timeouts => timeouts.Handshake = TimeSpan.FromSeconds(3)), async connection =>
            {
                await connection.Features.Get<IConnectionHandshakeFeature>()!.BeginHandshakeAsync();
                await done.Task.WaitAsync(connection.ConnectionClosed);
            });
        var first = await pipeline.ConnectAsync();
        var second = await pipeline.ConnectAsync();

        // Called while the beat ends the first, with the second before it.
        using var listener = new MeterListener();
        var meters = services.GetRequiredService<IMeterFactory>();
        var refused = 0;
        listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == meters)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) =>
        {
            refused++;
            done.TrySetResult();
            SpinWait.SpinUntil(() => second.Ended.IsCompleted, TestTimeout.Limit);
        });
        listener.Start();
        Pass(5);
        await second.Ended.Bounded();
        Assert.Equal(ConnectionCloseReason.HandshakeTimeout, first.Server.Features.Get<IConnectionCloseFeature>()!.Reason);
        Assert.Equal(ConnectionCloseReason.None, second.Server.Features.Get<IConnectionCloseFeature>()!.Reason);
        Assert.Equal(1, refused);
    }

    [Fact]
    public async Task A_message_that_comes_too_slowly_is_ended()
    {
        await using var pipeline = Build(
            timeouts =>
            {
                timeouts.MinReadRateInBytesPerSecond = 100;
                timeouts.MinReadRateGrace = TimeSpan.FromSeconds(3);
            },
            async connection => await connection.Transport.Input.ReadAtLeastAsync(10_000));
        var run = await pipeline.ConnectAsync();
        var isOver = false;
        for (var i = 0; i < 10 && !isOver; i++)
        {
            await run.Client.Transport.Output.WriteAsync(new byte[10]);
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
            Pass(1);
            isOver = run.Server.Features.Get<IConnectionCloseFeature>()!.Reason == ConnectionCloseReason.ReadRateTimeout;
        }

        Assert.True(isOver);
        await Assert.ThrowsAsync<ConnectionAbortedException>(() => run.Ended.Bounded());
    }

    [Fact]
    public async Task A_handshake_behind_it_has_its_time()
    {
        await using var pipeline = Build(timeouts => timeouts.Handshake = TimeSpan.FromSeconds(3), async connection =>
        {
            using (await connection.BeginHandshakeAsync())
            {
                await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.BeginHandshakeAsync());
            }

            using (await connection.BeginHandshakeAsync())
            {
                await connection.Transport.Input.ReadAsync();
            }
        });
        await EndsAfterAsync(await pipeline.ConnectAsync(), 3, ConnectionCloseReason.HandshakeTimeout);
    }

    [Fact]
    public async Task A_handler_can_change_them_and_they_are_gone_behind_its_end()
    {
        await using var pipeline = Build(timeouts => timeouts.Idle = TimeSpan.FromSeconds(2), async connection =>
        {
            var timeouts = connection.Features.Get<IConnectionTimeoutFeature>()!;
            Assert.Equal((TimeSpan.FromSeconds(2), TimeSpan.Zero), (timeouts.Idle, timeouts.FirstByte));
            timeouts.Idle = TimeSpan.FromSeconds(20);
            await Handlers.EchoAsync(connection);
        });
        var run = await pipeline.ConnectAsync();
        Pass(10);
        await EchoAsync(run);
        await run.Client.Transport.Output.CompleteAsync();
        await run.Ended.Bounded();
        Assert.Null(run.Server.Features.Get<IConnectionTimeoutFeature>());
    }

    [Fact]
    public async Task On_a_Peregrine_server_it_sets_those_of_the_connection_and_leaves_the_others()
    {
        var seen = new TaskCompletionSource<(TimeSpan, TimeSpan, bool)>();
        await using var server = await Servers.PeregrineAsync(tcp =>
        {
            tcp.Use(next => connection =>
            {
                connection.Items["transport"] = connection.Transport;
                return next(connection);
            });
            tcp.UseTimeouts(timeouts => timeouts.Idle = TimeSpan.FromSeconds(7)).Run(connection =>
            {
                var timeouts = connection.Features.Get<IConnectionTimeoutFeature>()!;
                seen.SetResult((timeouts.Idle, timeouts.WriteProgress, ReferenceEquals(connection.Items["transport"], connection.Transport)));
                return Task.CompletedTask;
            });
        });
        await using var client = await server.ConnectAsync();
        Assert.Equal((TimeSpan.FromSeconds(7), TimeSpan.FromMinutes(1), true), await seen.Task.Bounded());
    }

    [Fact]
    public async Task Inside_Kestrel_a_silent_peer_is_ended()
    {
        await using var server = await Servers.KestrelAsync(
            listen => listen.UseTimeouts(timeouts => timeouts.Idle = TimeSpan.FromSeconds(2)).Run(Handlers.EchoAsync), _log, clock: _clock);
        await using var client = await server.ConnectAsync();
        await client.WriteAsync("x"u8.ToArray());
        await client.ReadExactlyAsync(new byte[1]).AsTask().Bounded();
        var ending = client.ReadAsync(new byte[1]).AsTask();
        await TestTimeout.UntilAsync(() =>
        {
            Pass(1);
            return _log.WithId(30).Count == 1;
        });
        Assert.Contains("IdleTimeout", _log.WithId(30)[0].Message, StringComparison.Ordinal);
        try
        {
            Assert.Equal(0, await ending.Bounded());
        }
        catch (IOException)
        {
            // A reset.
        }
    }

    [Fact]
    public void What_cannot_be_is_said_at_the_start()
    {
        var builder = new ConnectionBuilder(Pipeline.Services());
        Assert.Throws<InvalidOperationException>(() => builder.UseTimeouts(_ => { }));
        Assert.Contains("Idle = -00:00:01", Assert.Throws<InvalidOperationException>(
            () => builder.UseTimeouts(timeouts => timeouts.Idle = TimeSpan.FromSeconds(-1))).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => builder.UseTimeouts(timeouts => timeouts.MinReadRateGrace = TimeSpan.Zero));
        Assert.Throws<InvalidOperationException>(() => builder.UseTimeouts(timeouts => timeouts.MinReadRateInBytesPerSecond = -1));
    }

    public void Dispose() => _log.Dispose();

    private Pipeline Build(Action<ConnectionTimeoutOptions> configure, ConnectionDelegate handler) =>
        Pipeline.Build(Pipeline.Services(_log, _clock), builder => builder.UseTimeouts(configure), handler);

    private void Pass(int seconds)
    {
        for (var i = 0; i < seconds; i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
        }
    }

    /// <summary>Writes for ever, and counts the flushes that have to wait.</summary>
    private async Task WriteAsync(ConnectionContext connection, int size)
    {
        FlushResult result;
        do
        {
            var flush = connection.Transport.Output.WriteAsync(new byte[size]);
            if (!flush.IsCompleted)
            {
                Interlocked.Increment(ref _flushesThatWait);
            }

            result = await flush;
        }
        while (!result.IsCompleted);
    }

    private static async Task EchoAsync(Pipeline.Run run)
    {
        await run.Client.Transport.Output.WriteAsync(new byte[1]);
        var read = await run.Client.Transport.Input.ReadAsync().Bounded();
        run.Client.Transport.Input.AdvanceTo(read.Buffer.End);

        // It waits for the next.
        await TestTimeout.UntilAsync(() => run.Server.Features.Get<IConnectionBufferFeature>()!.IsReadPending);
    }

    /// <summary>Not a second early, and no more than one late.</summary>
    private async Task EndsAfterAsync(Pipeline.Run run, int seconds, ConnectionCloseReason reason)
    {
        Pass(seconds - 1);
        Assert.Equal(ConnectionCloseReason.None, run.Server.Features.Get<IConnectionCloseFeature>()!.Reason);
        await EndsWithinAsync(run, 2, reason);
    }

    private async Task EndsWithinAsync(Pipeline.Run run, int seconds, ConnectionCloseReason reason)
    {
        Pass(seconds);
        Assert.Equal(reason, run.Server.Features.Get<IConnectionCloseFeature>()!.Reason);
        try
        {
            await run.Ended.Bounded();
        }
        catch (ConnectionAbortedException exception)
        {
            Assert.Contains("UseTimeouts", exception.Message, StringComparison.Ordinal);
        }
    }
}
