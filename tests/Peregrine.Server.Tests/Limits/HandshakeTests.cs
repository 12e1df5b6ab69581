using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Server.Tests.Timeouts;

namespace Peregrine.Server.Tests.Limits;

/// <summary>Handshakes of a small middleware: it reads a byte while it has its turn.</summary>
public sealed class HandshakeTests
{
    private int _active;
    private int _most;

    [Fact]
    public async Task No_more_are_under_way_than_may_be_and_all_get_their_turn()
    {
        await using var server = await SupervisedServer.StartAsync(HandshakeThenEchoAsync, ("Limits:MaxHandshakes", "3"));
        var clients = new List<ConnectionContext>();
        for (var i = 0; i < 50; i++)
        {
            clients.Add(await server.ConnectAsync());
        }

        await Task.WhenAll(clients.Select(async client =>
        {
            await client.SendAsync("hello");
            Assert.Equal("hello", await client.ReceiveAsync(5));
        })).InTimeAsync();
        Assert.InRange(_most, 1, 3);
        Assert.Equal(0, _active);
    }

    [Fact]
    public async Task First_come_first_served_and_more_at_once_when_the_limit_is_raised()
    {
        await using var server = await SupervisedServer.StartAsync(HandshakeThenEchoAsync, ("Limits:MaxHandshakes", "1"));
        var clients = new List<ConnectionContext>();
        for (var i = 0; i < 5; i++)
        {
            clients.Add(await server.ConnectAsync());
            await SupervisedServer.UntilAsync(() => _active == 1);
        }

        await clients[2].SendAsync("c");
        await clients[1].SendAsync("b");
        server.Pass(1);
        Assert.Equal(1, _active);
        await clients[0].SendAsync("a");
        Assert.Equal("a", await clients[0].ReceiveAsync(1));
        Assert.Equal("b", await clients[1].ReceiveAsync(1));
        Assert.Equal("c", await clients[2].ReceiveAsync(1));
        await SupervisedServer.UntilAsync(() => _active == 1);
        server.Set("Limits:MaxHandshakes", "2");
        server.Pass(1);
        await SupervisedServer.UntilAsync(() => _active == 2);
    }

    [Fact]
    public async Task The_time_runs_from_the_wait_for_the_turn_on()
    {
        await using var server = await SupervisedServer.StartAsync(
            HandshakeThenEchoAsync, ("Limits:MaxHandshakes", "1"), (":Timeouts:Handshake", "00:00:05"), (":Timeouts:Idle", "00:00:00"));
        await server.ConnectAsync();
        await SupervisedServer.UntilAsync(() => _active == 1);
        server.Pass(2);
        await server.ConnectAsync();
        await server.EndsAfterAsync(3, ConnectionCloseReason.HandshakeTimeout);
        await SupervisedServer.UntilAsync(() => _active == 1);
        await SupervisedServer.UntilAsync(() => server.Log.WithId(SupervisedServer.Ended).Count == 1);
        server.Pass(1);
        Assert.Equal(2, server.Log.WithId(SupervisedServer.Refused).Count);
        await SupervisedServer.UntilAsync(() => _active == 0);
    }

    [Fact]
    public async Task One_that_is_done_has_no_time_any_more_and_one_that_is_off_has_none_at_all()
    {
        await using var server = await SupervisedServer.StartAsync(HandshakeThenEchoAsync, (":Timeouts:Handshake", "00:00:05"), (":Timeouts:Idle", "00:00:00"));
        var client = await server.ConnectAsync();
        await client.SendAsync("x");
        Assert.Equal("x", await client.ReceiveAsync(1));
        server.Pass(20);
        server.Set(":Timeouts:Handshake", "00:00:00");
        await server.ConnectAsync();
        server.Pass(20);
        server.IsNotEnded();
    }

    [Fact]
    public async Task A_place_in_the_queue_is_given_up_by_a_reset_and_by_a_token()
    {
        using var source = new CancellationTokenSource();
        var canceled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var count = 0;
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                if (Interlocked.Increment(ref count) == 2)
                {
                    await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await connection.BeginHandshakeAsync(source.Token));
                    Assert.False(connection.Features.Get<IConnectionHandshakeFeature>()!.IsInHandshake);
                    canceled.SetResult();
                    return;
                }

                await HandshakeThenEchoAsync(connection);
            },
            ("Limits:MaxHandshakes", "1"));
        var first = await server.ConnectAsync();
        await SupervisedServer.UntilAsync(() => _active == 1);
        await server.ConnectAsync();
        var third = await server.ConnectAsync();
        var fourth = await server.ConnectAsync();
        await fourth.SendAsync("4");
        await source.CancelAsync();
        await canceled.Task.InTimeAsync();
        third.Abort();
        await SupervisedServer.UntilAsync(() => server.Log.WithId(SupervisedServer.Ended).Count == 2);
        await first.SendAsync("1");
        Assert.Equal("1", await first.ReceiveAsync(1));
        Assert.Equal("4", await fourth.ReceiveAsync(1));
        Assert.DoesNotContain(server.Log.Entries, entry => entry.Id.Id == 8);
    }

    [Fact]
    public async Task A_second_handshake_beside_the_first_is_refused_and_one_after_it_is_not()
    {
        await using var server = await SupervisedServer.StartAsync(async connection =>
        {
            using (await connection.BeginHandshakeAsync())
            {
                await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.BeginHandshakeAsync());
            }

            using (await connection.BeginHandshakeAsync())
            {
                await connection.Transport.Output.WriteAsync("done"u8.ToArray());
            }
        });
        Assert.Equal("done", await (await server.ConnectAsync()).ReceiveToEndAsync());
        Assert.DoesNotContain(server.Log.Entries, entry => entry.Id.Id == 8);
    }

    [Fact]
    public async Task Where_nobody_bounds_them_they_begin_at_once()
    {
        var connection = new DefaultConnectionContext();
        using (await connection.BeginHandshakeAsync())
        {
            Assert.Null(connection.Features.Get<IConnectionHandshakeFeature>());
        }
    }

    [Fact]
    public async Task A_peer_that_says_nothing_keeps_no_turn_from_others_and_its_time_runs()
    {
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                var input = connection.Transport.Input;
                using (await connection.BeginHandshakeWhenPeerSpeaksAsync())
                {
                    var hello = await input.ReadAsync();
                    await connection.Transport.Output.WriteAsync(hello.Buffer.First);
                    input.AdvanceTo(hello.Buffer.End);
                    await input.ReadAsync();
                }
            },
            ("Limits:MaxHandshakes", "1"), (":Timeouts:Handshake", "00:00:05"), (":Timeouts:Idle", "00:00:00"));
        await server.ConnectAsync();
        server.Pass(2);
        var speaking = await server.ConnectAsync();
        await speaking.SendAsync("hello");
        Assert.Equal("hello", await speaking.ReceiveAsync(5));
        await server.EndsAfterAsync(3, ConnectionCloseReason.HandshakeTimeout);
    }

    private async Task HandshakeThenEchoAsync(ConnectionContext connection)
    {
        using (await connection.BeginHandshakeAsync())
        {
            InterlockedMax(ref _most, Interlocked.Increment(ref _active));
            try
            {
                var read = await connection.Transport.Input.ReadAsync();
                connection.Transport.Input.AdvanceTo(read.Buffer.Start);
            }
            finally
            {
                Interlocked.Decrement(ref _active);
            }
        }

        await Handlers.EchoAsync(connection);
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var before = most; value > before; before = most)
        {
            Interlocked.CompareExchange(ref most, value, before);
        }
    }
}
