using System.Net.NetworkInformation;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Tests.Timeouts;

/// <summary>Each timeout, second by second: none ends a connection early, and none more than a second late.</summary>
public sealed class TimeoutTests
{
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

    [Fact]
    public async Task A_peer_that_sends_no_byte_is_ended_and_one_that_has_sent_one_is_not()
    {
        await using var server = await SupervisedServer.StartAsync(Handlers.EchoAsync, (":Timeouts:FirstByte", "00:00:03"));
        var good = await server.ConnectAsync();
        await server.ConnectAsync();
        await EchoAsync(good);
        await server.EndsAfterAsync(3, ConnectionCloseReason.FirstByteTimeout);
        server.Pass(10);
        await EchoAsync(good);
        Assert.Single(server.Log.WithId(SupervisedServer.Refused));
    }

    [Fact]
    public async Task A_first_byte_that_the_handler_has_not_looked_for_is_one()
    {
        await using var server = await SupervisedServer.StartAsync(_ => _end.Task, (":Timeouts:FirstByte", "00:00:03"));
        var client = await server.ConnectAsync();
        await client.SendAsync("x");
        server.Pass(20);
        server.IsNotEnded();
        _end.SetResult();
    }

    [Fact]
    public async Task Bytes_that_come_keep_a_connection_from_being_idle()
    {
        await using var server = await SupervisedServer.StartAsync(Handlers.EchoAsync, (":Timeouts:Idle", "00:00:05"));
        var (client, handled) = await server.ConnectPairAsync();
        for (var i = 1; i <= 4; i++)
        {
            server.Pass(4);
            server.IsNotEnded();
            await EchoAsync(client);
            await SupervisedServer.WaitsForMoreThanAsync(5 * i, handled);
        }

        server.Pass(1);
        await server.EndsAfterAsync(5, ConnectionCloseReason.IdleTimeout);
    }

    [Fact]
    public async Task What_this_side_writes_counts_only_if_the_peer_takes_it()
    {
        await using var writing = await SupervisedServer.StartAsync(
            async connection =>
            {
                while (!(await connection.Transport.Output.WriteAsync("x"u8.ToArray())).IsCompleted)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
                }
            },
            (":Timeouts:Idle", "00:00:05"), (":Timeouts:WriteProgress", "00:00:00"));
        var reading = await writing.ConnectAsync();
        for (var i = 0; i < 8; i++)
        {
            // Bytes that came after the last: the one before is consumed.
            var read = await reading.Transport.Input.ReadAsync().AsTask().InTimeAsync();
            reading.Transport.Input.AdvanceTo(read.Buffer.End);
            writing.Pass(2);
        }

        writing.IsNotEnded();
    }

    [Fact]
    public async Task A_peer_that_takes_nothing_of_what_is_written_is_idle()
    {
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                await connection.Transport.Output.WriteAsync(new byte[100]);
                await connection.Transport.Input.ReadAsync();
            },
            (":Timeouts:Idle", "00:00:05"), (":Timeouts:WriteProgress", "00:00:00"));
        await server.ConnectAsync();
        await server.EndsAfterAsync(5, ConnectionCloseReason.IdleTimeout);
    }

    [Fact]
    public async Task A_peer_that_waits_for_its_answer_is_not_idle_however_long_that_takes()
    {
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                var request = await connection.Transport.Input.ReadAsync();
                connection.Transport.Input.AdvanceTo(request.Buffer.End);
                await _end.Task;
                await connection.Transport.Input.ReadAsync();
            },
            (":Timeouts:Idle", "00:00:05"));
        var (waiting, handled) = await server.ConnectPairAsync();
        await waiting.SendAsync("request");
        var buffers = handled.Features.Get<IConnectionBufferFeature>()!;
        await SupervisedServer.UntilAsync(() => buffers is { IsReadPending: false, UnreadBytes: 0, UnreceivedBytes: 0 });
        server.Pass(24);
        server.IsNotEnded();
        _end.SetResult();
        await SupervisedServer.UntilAsync(() => buffers.IsReadPending);
        server.Pass(10);
        Assert.Contains(nameof(EndpointTimeouts.Idle), Assert.Single(server.Log.WithId(SupervisedServer.Refused)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_paused_connection_is_looked_at_too_and_one_whose_peer_is_gone_is_ended()
    {
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                connection.Features.Set<IConnectionTcpInfoFeature>(new GoneWithoutAWord());
                await _end.Task;
            },
            (":Timeouts:Idle", "00:00:05"));
        await (await server.ConnectAsync()).SendAsync("request");
        server.Pass(4);
        server.IsNotEnded();
        server.Pass(2);
        _end.SetResult();
        Assert.Contains(nameof(EndpointTimeouts.Idle), Assert.Single(server.Log.WithId(SupervisedServer.Refused)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_peer_that_takes_nothing_is_ended_and_one_that_takes_a_little_is_not()
    {
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                while (!(await connection.Transport.Output.WriteAsync(new byte[40_000])).IsCompleted)
                {
                }
            },
            (":Timeouts:WriteProgress", "00:00:04"));
        var (slow, handled) = await server.ConnectPairAsync();
        await SupervisedServer.WaitsForPeerAfterAsync(0, handled);
        for (var i = 0; i < 5; i++)
        {
            server.Pass(3);
            server.IsNotEnded();
            var sent = handled.Features.Get<Peregrine.Features.IConnectionByteCountFeature>()!.BytesSent;
            var read = await slow.Transport.Input.ReadAtLeastAsync(40_000);
            slow.Transport.Input.AdvanceTo(read.Buffer.End);
            await SupervisedServer.WaitsForPeerAfterAsync(sent, handled);
        }

        server.Pass(1);
        await server.EndsAfterAsync(4, ConnectionCloseReason.WriteTimeout);
    }

    [Fact]
    public async Task A_connection_with_nothing_for_its_peer_has_no_write_timeout()
    {
        await using var server = await SupervisedServer.StartAsync(Handlers.EchoAsync, (":Timeouts:WriteProgress", "00:00:02"), (":Timeouts:Idle", "00:00:00"));
        var client = await server.ConnectAsync();
        server.Pass(10);
        await EchoAsync(client);
        server.Pass(10);
        server.IsNotEnded();
    }

    [Fact]
    public async Task A_message_in_progress_must_come_at_its_rate_after_the_grace()
    {
        await using var server = await SupervisedServer.StartAsync(
            ReadMessagesAsync, (":Timeouts:MinReadRateInBytesPerSecond", "10"), (":Timeouts:MinReadRateGrace", "00:00:05"));
        var waiting = await server.ConnectAsync();
        var good = await server.ConnectPairAsync();
        var slow = await server.ConnectPairAsync();
        server.Pass(10);
        await slow.Client.SendAsync("123456789");
        await SupervisedServer.WaitsForMoreThanAsync(9, slow.Handled);
        for (var i = 0; i < 4; i++)
        {
            await SendAndPassAsync(server, good, 12);
        }

        server.IsNotEnded();
        await SendAndPassAsync(server, good, 12);
        await SendAndPassAsync(server, good, 12);
        Assert.Contains("less than 10 bytes a second", Assert.Single(server.Log.WithId(SupervisedServer.Refused)).Message, StringComparison.Ordinal);
        for (var i = 0; i < 20; i++)
        {
            await SendAndPassAsync(server, good, 12);
        }

        // It stops in the middle of a message; the other has none in progress.
        server.Pass(40);
        Assert.Equal(2, server.Log.WithId(SupervisedServer.Refused).Count);
        await waiting.SendAsync(new string('x', 100));
        Assert.Equal("!", await waiting.ReceiveAsync(1));
    }

    [Fact]
    public async Task A_handler_that_does_not_read_holds_no_message_up()
    {
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                var read = await connection.Transport.Input.ReadAsync();
                connection.Transport.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                await _end.Task;
            },
            (":Timeouts:MinReadRateInBytesPerSecond", "1000"), (":Timeouts:MinReadRateGrace", "00:00:01"));
        await (await server.ConnectAsync()).SendAsync("half a message");
        server.Pass(30);
        server.IsNotEnded();
        _end.SetResult();
    }

    [Fact]
    public async Task The_handler_sees_why_and_it_is_no_failure_of_its_own()
    {
        var seen = new TaskCompletionSource<Exception>();
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                try
                {
                    await connection.Transport.Input.ReadAsync();
                }
                catch (Exception exception)
                {
                    seen.SetResult(exception);
                    throw;
                }
            },
            (":Timeouts:Idle", "00:00:02"));
        using var meter = new RecordedMeter(server.Inner);
        await server.ConnectAsync();
        await server.EndsAfterAsync(2, ConnectionCloseReason.IdleTimeout);
        Assert.Equal(
            "The peer sent nothing, and acknowledged nothing, for 00:00:02: Peregrine:Endpoints:test:Timeouts:Idle.",
            Assert.IsType<ConnectionAbortedException>(await seen.Task.InTimeAsync()).Message);
        Assert.Equal(LogLevel.Debug, Assert.Single(server.Log.WithId(SupervisedServer.Refused)).Level);
        var rejected = Assert.Single(meter.Recorded("peregrine.server.connections.timed_out"));
        Assert.Equal(("test", "idle_timeout"), (rejected.Tags["peregrine.endpoint"], rejected.Tags["peregrine.close.reason"]));
        Assert.Equal("idle_timeout", Assert.Single(meter.Recorded("peregrine.server.connection.duration")).Tags["peregrine.close.reason"]);
    }

    [Fact]
    public async Task One_warning_a_minute_says_how_many_there_were()
    {
        await using var server = await SupervisedServer.StartAsync(Handlers.EchoAsync, (":Timeouts:Idle", "00:00:02"));
        for (var i = 0; i < 5; i++)
        {
            await server.ConnectAsync();
        }

        await server.EndsAfterAsync(2, ConnectionCloseReason.IdleTimeout, count: 5);
        Assert.Contains(" 0 more ", Assert.Single(server.Log.WithId(SupervisedServer.Warned)).Message, StringComparison.Ordinal);
        server.Pass(60);
        await server.ConnectAsync();
        await server.EndsAfterAsync(2, ConnectionCloseReason.IdleTimeout);
        Assert.Contains(" 4 more ", server.Log.WithId(SupervisedServer.Warned)[1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_change_of_the_settings_is_in_effect_at_once()
    {
        await using var server = await SupervisedServer.StartAsync(Handlers.EchoAsync, (":Timeouts:Idle", "00:00:00"));
        var (client, handled) = await server.ConnectPairAsync();
        server.Pass(1000);
        server.IsNotEnded();
        await EchoAsync(client);
        await SupervisedServer.WaitsForMoreThanAsync(5, handled);
        server.Pass(1);
        server.Set(":Timeouts:Idle", "00:00:10");
        await server.EndsAfterAsync(10, ConnectionCloseReason.IdleTimeout);
    }

    [Fact]
    public async Task A_connection_may_have_timeouts_of_its_own()
    {
        var features = new List<IConnectionTimeoutFeature>();
        await using var server = await SupervisedServer.StartAsync(
            connection =>
            {
                lock (features)
                {
                    features.Add(connection.Features.Get<IConnectionTimeoutFeature>()!);
                }

                return Handlers.EchoAsync(connection);
            },
            (":Timeouts:Idle", "00:00:05"), (":Timeouts:FirstByte", "00:00:00.5"));
        var (client, handled) = await server.ConnectPairAsync();
        await EchoAsync(client);
        await SupervisedServer.WaitsForMoreThanAsync(5, handled);
        Assert.Equal(TimeSpan.FromSeconds(5), features[0].Idle);
        Assert.Equal(TimeSpan.FromMilliseconds(500), features[0].FirstByte);
        features[0].Idle = TimeSpan.FromSeconds(20);
        Assert.Equal(TimeSpan.FromSeconds(20), features[0].Idle);
        Assert.Throws<ArgumentOutOfRangeException>(() => features[0].Idle = TimeSpan.FromDays(25));
        Assert.Throws<ArgumentOutOfRangeException>(() => features[0].MinReadRateGrace = TimeSpan.Zero);
        server.Set(":Timeouts:Idle", "00:00:08");
        Assert.Equal(TimeSpan.FromSeconds(20), features[0].Idle);
        server.Pass(1);
        await server.EndsAfterAsync(20, ConnectionCloseReason.IdleTimeout);
        Assert.Contains("IConnectionTimeoutFeature.Idle", Assert.Single(server.Log.WithId(SupervisedServer.Refused)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_whose_handler_is_done_has_no_idle_timeout_and_still_a_write_timeout()
    {
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                var memory = connection.Transport.Output.GetMemory(100_000);
                connection.Transport.Output.Advance(memory.Length);
                await connection.CloseRequested().WhenFiredAsync();
            },
            ("ClientCloseGrace", "00:10:00"), ("ShutdownTimeout", "01:00:00"), (":Timeouts:Idle", "00:00:00"), (":Timeouts:WriteProgress", "00:00:05"));
        var (_, handled) = await server.ConnectPairAsync();
        server.Pass(20);
        server.IsNotEnded();

        // Its goodbye is more than the peer takes: flushed now, and waited for.
        var stop = server.Inner.StopAsync();
        await SupervisedServer.UntilAsync(() => server.Inner.Server.State == ServerState.Stopping);
        await SupervisedServer.WaitsForPeerAfterAsync(0, handled);
        server.Pass(1);
        await server.EndsAfterAsync(5, ConnectionCloseReason.ServerStopping);
        Assert.Contains(":Timeouts:WriteProgress", Assert.Single(server.Log.WithId(SupervisedServer.Refused)).Message, StringComparison.Ordinal);
        for (var i = 0; i < 100 && !stop.IsCompleted; i++)
        {
            server.Pass(1);
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        await stop;
    }

    [Fact]
    public void A_process_that_was_stopped_has_not_waited_for_its_peers()
    {
        var time = new FakeTimeProvider();
        var clock = new SupervisedClock(time);
        time.Advance(TimeSpan.FromSeconds(1.5));
        Assert.Equal((1500u, 1500u), clock.Beat());
        time.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal((6500u, 5000u), clock.Beat());
        time.Advance(TimeSpan.FromMilliseconds(250));
        Assert.Equal(6750u, clock.Now);
        Assert.Equal((6750u, 250u), clock.Beat());
    }

    private static async Task EchoAsync(ConnectionContext client)
    {
        await client.SendAsync("hello");
        Assert.Equal("hello", await client.ReceiveAsync(5));
    }

    private static async Task SendAndPassAsync(SupervisedServer server, (ConnectionContext Client, ConnectionContext Handled) pair, int bytes)
    {
        var before = pair.Handled.Features.Get<Peregrine.Features.IConnectionByteCountFeature>()!.BytesReceived;
        await pair.Client.SendAsync(new string('x', bytes));
        await SupervisedServer.WaitsForMoreThanAsync(before + bytes, pair.Handled);
        server.Pass(1);
    }

    /// <summary>Messages of 100 bytes.</summary>
    private static async Task ReadMessagesAsync(ConnectionContext connection)
    {
        while (await connection.Transport.Input.ReadAtLeastAsync(100) is { IsCompleted: false } read)
        {
            connection.Transport.Input.AdvanceTo(read.Buffer.GetPosition(100));
            await connection.Transport.Output.WriteAsync("!"u8.ToArray());
        }
    }

    private sealed class GoneWithoutAWord : IConnectionTcpInfoFeature
    {
        public bool TryGetTcpInfo(out TcpConnectionInfo info)
        {
            info = new TcpConnectionInfo(TcpState.Closed, default, default, 0, 0, 0, 0, 0);
            return true;
        }
    }
}
