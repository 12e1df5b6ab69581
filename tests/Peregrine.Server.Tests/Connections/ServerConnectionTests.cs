using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Server.Tests.Connections;

public sealed class ServerConnectionTests
{
    private const int HandlerFailed = 8;
    private const int Ended = 10;
    private const int CallbackFailed = 12;

    private int _timeouts;

    [Fact]
    public async Task Connections_are_served_at_once_and_each_gets_its_own_bytes()
    {
        await using var server = await TestServer.StartAsync(Handlers.EchoAsync);
        var clients = new List<ConnectionContext>();
        for (var i = 0; i < 100; i++)
        {
            clients.Add(await server.ConnectAsync());
        }

        await Task.WhenAll(clients.Select(async (client, i) =>
        {
            await client.SendAsync($"client {i:000}");
            Assert.Equal($"client {i:000}", await client.ReceiveAsync(10));
        }));
        foreach (var client in clients)
        {
            await client.Transport.Output.CompleteAsync();
            Assert.Equal("", await client.ReceiveToEndAsync());
        }
    }

    [Fact]
    public async Task A_handler_that_throws_ends_its_own_connection_and_is_logged_once()
    {
        await using var server = await TestServer.StartAsync(FailOnBadAsync);
        var good = await server.ConnectAsync();
        await good.SendAsync("good");
        Assert.Equal("good", await good.ReceiveAsync(4));
        var bad = await server.ConnectAsync();
        await bad.SendAsync("bad!");
        Assert.Equal("", await bad.ReceiveToEndAsync());

        await good.SendAsync("more");
        Assert.Equal("more", await good.ReceiveAsync(4));
        var failure = Assert.Single(server.Log.WithId(HandlerFailed));
        Assert.Equal(LogLevel.Error, failure.Level);
        Assert.Equal("It is bad.", failure.Exception!.Message);
        Assert.Contains("\"test\"", failure.Message, StringComparison.Ordinal);
        await server.StopAsync();
        Assert.DoesNotContain(server.Log.Entries, entry => entry.Level >= LogLevel.Warning && entry.Id.Id != HandlerFailed);
        Assert.Contains(server.Log.WithId(Ended), entry => entry.Message.Contains(nameof(ConnectionCloseReason.HandlerFailed), StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_reset_of_the_peer_is_no_failure_of_the_handler()
    {
        await using var server = await TestServer.StartAsync(Handlers.EchoAsync);
        var client = await server.ConnectAsync();
        await client.SendAsync("hello");
        Assert.Equal("hello", await client.ReceiveAsync(5));
        client.Abort();

        // Before the stop: its request to end would be what the handler sees, if it has not come to its next read.
        var ended = TimeProvider.System.GetTimestamp();
        while (server.Log.WithId(Ended).Count == 0 && TimeProvider.System.GetElapsedTime(ended) < TestServer.Limit)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        await server.StopAsync();
        Assert.DoesNotContain(server.Log.Entries, entry => entry.Level >= LogLevel.Warning);
        Assert.Contains(nameof(ConnectionCloseReason.PeerReset), Assert.Single(server.Log.WithId(Ended)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_that_throws_before_its_first_await_is_the_same()
    {
        await using var server = await TestServer.StartAsync(_ => throw new InvalidOperationException("It is bad."));
        var bad = await server.ConnectAsync();
        Assert.Equal("", await bad.ReceiveToEndAsync());
        Assert.Single(server.Log.WithId(HandlerFailed));
    }

    [Fact]
    public async Task A_cancellation_that_nobody_asked_for_is_a_failure_of_the_handler()
    {
        await using var server = await TestServer.StartAsync(_ => throw new OperationCanceledException("a timeout of its own"));
        var client = await server.ConnectAsync();
        Assert.Equal("", await client.ReceiveToEndAsync());
        await server.StopAsync();
        Assert.Single(server.Log.WithId(HandlerFailed));
    }

    [Fact]
    public async Task The_reset_of_another_connection_is_a_failure_of_the_handler()
    {
        await using var server = await TestServer.StartAsync(_ => throw new ConnectionResetException("The upstream is gone."));
        Assert.Equal("", await (await server.ConnectAsync()).ReceiveToEndAsync());
        await server.StopAsync();
        Assert.Single(server.Log.WithId(HandlerFailed));
    }

    [Fact]
    public async Task A_timeout_of_the_handler_after_the_peers_end_is_a_failure_and_the_connections_own_token_is_none()
    {
        await using var server = await TestServer.StartAsync(async connection =>
        {
            while (!(await connection.Transport.Input.ReadAsync()).IsCompleted)
            {
                connection.Transport.Input.AdvanceTo(default);
            }

            var own = connection.ConnectionClosed;
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, own).ContinueWith(_ => { }, TaskScheduler.Default);
            throw Interlocked.Increment(ref _timeouts) == 1
                ? new OperationCanceledException("a timeout of its own")
                : new OperationCanceledException(own);
        });
        for (var i = 0; i < 2; i++)
        {
            var client = await server.ConnectAsync();
            await client.Transport.Output.CompleteAsync();
            Assert.Equal("", await client.ReceiveToEndAsync());
        }

        Assert.Equal("a timeout of its own", Assert.Single(server.Log.WithId(HandlerFailed)).Exception!.Message);
    }

    [Fact]
    public async Task What_the_handler_left_unflushed_is_sent()
    {
        await using var server = await TestServer.StartAsync(connection =>
        {
            var memory = connection.Transport.Output.GetMemory(5);
            Encoding.ASCII.GetBytes("hello", memory.Span);
            connection.Transport.Output.Advance(5);
            return Task.CompletedTask;
        });
        var client = await server.ConnectAsync();
        Assert.Equal("hello", await client.ReceiveToEndAsync());
    }

    [Fact]
    public async Task A_logger_that_throws_ends_nothing()
    {
        await using var server = await TestServer.StartAsync(FailOnBadAsync);
        server.Log.Throws = true;
        for (var i = 0; i < 3; i++)
        {
            var bad = await server.ConnectAsync();
            await bad.SendAsync("bad!");
            Assert.Equal("", await bad.ReceiveToEndAsync());
            var good = await server.ConnectAsync();
            await good.SendAsync("good");
            Assert.Equal("good", await good.ReceiveAsync(4));
        }

        await server.StopAsync();
    }

    [Fact]
    public async Task A_callback_on_the_request_to_close_that_throws_is_logged_and_ends_nothing()
    {
        await using var server = await TestServer.StartAsync(async connection =>
        {
            connection.CloseRequested().UnsafeRegister(_ => throw new InvalidOperationException("callback"), null);
            await Handlers.EchoAsync(connection);
        });
        var client = await server.ConnectAsync();
        await client.SendAsync("hello");
        Assert.Equal("hello", await client.ReceiveAsync(5));
        await server.StopAsync();
        Assert.Equal("", await client.ReceiveToEndAsync());

        // It is in the log when all callbacks have run, which the handler does not wait for.
        for (var i = 0; i < 4_000 && server.Log.WithId(CallbackFailed).Count == 0; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        Assert.Single(server.Log.WithId(CallbackFailed));
    }

    [Fact]
    public async Task A_handler_may_replace_the_transport_and_the_connection_still_closes()
    {
        await using var server = await TestServer.StartAsync(async connection =>
        {
            var (inner, other) = (connection.Transport, new Pipe());
            connection.Transport = new Replaced(other.Reader, other.Writer);
            await inner.Output.WriteAsync("bye"u8.ToArray());
        });
        var client = await server.ConnectAsync();
        Assert.Equal("bye", await client.ReceiveToEndAsync());
    }

    /// <summary>Echoes, and fails when it reads "bad", with the read neither advanced nor completed.</summary>
    private static async Task FailOnBadAsync(ConnectionContext connection)
    {
        while (true)
        {
            var read = await connection.Transport.Input.ReadAsync(connection.CloseRequested());
            if (Encoding.ASCII.GetString(read.Buffer).Contains("bad", StringComparison.Ordinal))
            {
                throw new InvalidOperationException("It is bad.");
            }

            await connection.Transport.Output.WriteAsync(read.Buffer.First);
            connection.Transport.Input.AdvanceTo(read.Buffer.GetPosition(read.Buffer.First.Length));
            if (read.IsCompleted)
            {
                return;
            }
        }
    }

    private sealed record Replaced(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
