using System.Net;
using System.Net.Sockets;
using System.Text;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Samples.Resp;

/// <summary>What is said on the wire, byte by byte.</summary>
public sealed class RespTests
{
    [Fact]
    public async Task Commands_are_answered_as_redis_does()
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        using var client = await RespServer.ConnectAsync(endPoint);
        foreach (var (sent, expected) in ((string, string)[])
        [
            ("PING", "+PONG"), ("PING hi", "$2\r\nhi"), ("ECHO \"\"", "$0\r\n"), ("SET k v NX", "+OK"), ("SET k w NX", "$-1"), ("SET k w XX GET", "$1\r\nv"), ("GET k", "$1\r\nw"),
            ("SET other x XX", "$-1"), ("SET k v NX XX", "-ERR syntax error"), ("SET k v EX 0", "-ERR invalid expire time in 'set' command"),
            ("SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command"), ("SET k v EX x", "-ERR value is not an integer or out of range"),
            ("SET k v EX 100", "+OK"), ("TTL k", ":100"), ("SET k v KEEPTTL", "+OK"), ("TTL k", ":100"), ("PERSIST k", ":1"), ("PERSIST k", ":0"), ("TTL k", ":-1"), ("TTL none", ":-2"),
            ("EXPIRE k 50", ":1"), ("SET k v", "+OK"), ("PTTL k", ":-1"), ("EXPIRE none 50", ":0"), ("EXPIRE k -1", ":1"), ("EXISTS k k", ":0"), ("MSET a 1 b 2", "+OK"), ("MSET a 1 b",
            "-ERR wrong number of arguments for 'mset' command"), ("EXISTS a b a c", ":3"), ("MGET a none b", "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2"), ("INCR a", ":2"), ("DECRBY a 5", ":-3"),
            ("SET n 9223372036854775807", "+OK"), ("INCR n", "-ERR increment or decrement would overflow"), ("SET n 01", "+OK"), ("INCR n", "-ERR value is not an integer or out of range"),
            ("DECRBY n -9223372036854775808", "-ERR decrement would overflow"), ("DBSIZE", ":3"), ("SELECT 0", "+OK"), ("SELECT 1", "-ERR DB index is out of range"),
            ("CLIENT SETNAME me", "+OK"), ("CLIENT GETNAME", "$2\r\nme"), ("PUBLISH nobody x", ":0"), ("CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n"),
            ("FLUSHALL", "+OK"), ("DBSIZE", ":0"), ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ])
        {
            await RespServer.ShowAsync(client, sent + "\r\n", expected + "\r\n");
        }
    }

    [Fact]
    public async Task Commands_of_one_read_are_answered_in_order_and_a_wrong_one_ends_the_connection()
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        using var client = await RespServer.ConnectAsync(endPoint);
        await client.SendAsync("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\nINCR a\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$x\r\nPING\r\n"u8.ToArray());
        Assert.Equal("+OK\r\n:2\r\n$1\r\n2\r\n-ERR Protocol error: invalid bulk length\r\n", await RespServer.ReceiveToTheEndAsync(client));
    }

    [Fact]
    public async Task A_key_ends_when_its_time_is_over_whether_somebody_asks_or_not()
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        using var client = await RespServer.ConnectAsync(endPoint);
        await RespServer.ShowAsync(client, "SET asked 1 PX 1\r\nSET stays 1 EX 1000\r\n", "+OK\r\n+OK\r\n");
        await UntilAsync(client, "GET asked\r\n", "$-1\r\n");
        await RespServer.ShowAsync(client, "MSET a 1 b 1\r\nPEXPIRE a 1\r\nPEXPIRE b 1\r\n", "+OK\r\n:1\r\n:1\r\n");
        await UntilAsync(client, "DBSIZE\r\n", ":1\r\n");
    }

    [Fact]
    public async Task A_store_that_is_full_takes_no_more_and_goes_on()
    {
        var (server, endPoint) = await RespServer.StartAsync("--Resp:MaxKeys=2", "--Resp:MaxMemoryInBytes=1000");
        await using var _ = server;
        using var client = await RespServer.ConnectAsync(endPoint);
        const string OutOfMemory = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
        await RespServer.ShowAsync(client, "SET a 1\r\nINCR b\r\nSET c 1\r\nINCR c\r\nMSET c 1\r\n", "+OK\r\n:1\r\n" + OutOfMemory + OutOfMemory + OutOfMemory);
        await RespServer.ShowAsync(client, $"SET a {new string('x', 1000)}\r\nGET a\r\n", OutOfMemory + "$1\r\n1\r\n");
        await RespServer.ShowAsync(client, $"SET a {new string('x', 500)}\r\nDEL a\r\nSET c 1\r\nDBSIZE\r\n", "+OK\r\n:1\r\n+OK\r\n:2\r\n");
    }

    [Fact]
    public async Task Increments_of_many_connections_at_once_are_all_counted()
    {
        const int Clients = 20;
        const int Increments = 500;
        var (server, endPoint) = await RespServer.StartAsync("--Peregrine:Endpoints:resp:Scheduling=ThreadPool");
        await using var _ = server;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async _ =>
        {
            using var client = await RespServer.ConnectAsync(endPoint);
            await client.SendAsync(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("INCR count\r\n", Increments)) + "QUIT\r\n"));
            await RespServer.ReceiveToTheEndAsync(client);
        }));
        using var last = await RespServer.ConnectAsync(endPoint);
        await RespServer.ShowAsync(last, "GET count\r\n", $"$5\r\n{Clients * Increments}\r\n");
    }

    [Fact]
    public async Task What_is_published_comes_to_subscribers_of_the_channel_and_of_its_pattern()
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        using var resp2 = await RespServer.ConnectAsync(endPoint);
        using var resp3 = await RespServer.ConnectAsync(endPoint);
        using var publisher = await RespServer.ConnectAsync(endPoint);
        await RespServer.ShowAsync(resp2, "SUBSCRIBE a b\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n");
        await RespServer.ShowAsync(
            resp2, "GET a\r\nPING\r\n",
            "-ERR Can't execute 'get': only SUBSCRIBE, UNSUBSCRIBE, PSUBSCRIBE, PUNSUBSCRIBE, PING and QUIT are allowed in this context\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n");
        await resp3.SendAsync("HELLO 3\r\nPSUBSCRIBE [ab]*\r\nGET none\r\n"u8.ToArray());
        await ReceiveUntilAsync(resp3, ">3\r\n$10\r\npsubscribe\r\n$5\r\n[ab]*\r\n:1\r\n_\r\n");
        await RespServer.ShowAsync(publisher, "PUBLISH a hi\r\nPUBLISH c hi\r\n", ":2\r\n:0\r\n");
        await RespServer.ShowAsync(resp2, "", "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n");
        await RespServer.ShowAsync(resp3, "", ">4\r\n$8\r\npmessage\r\n$5\r\n[ab]*\r\n$1\r\na\r\n$2\r\nhi\r\n");

        // One that subscribes and publishes at once has the answers, and the message behind that of its subscription.
        await resp3.SendAsync("SUBSCRIBE own\r\nPUBLISH own x\r\n"u8.ToArray());
        var subscribed = ">3\r\n$9\r\nsubscribe\r\n$3\r\nown\r\n:2\r\n";
        Assert.Equal(subscribed, await RespServer.ReceiveAsync(resp3, subscribed.Length));
        await ReceiveUntilAsync(resp3, ":1\r\n");

        await RespServer.ShowAsync(resp2, "UNSUBSCRIBE a\r\nUNSUBSCRIBE\r\nUNSUBSCRIBE\r\n", "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
        await RespServer.ShowAsync(resp2, "GET a\r\n", "$-1\r\n");
        resp3.Dispose();
        await UntilAsync(publisher, "PUBLISH a hi\r\n", ":0\r\n");
    }

    [Fact]
    public async Task A_subscriber_that_does_not_read_is_disconnected_and_holds_up_nobody()
    {
        var (server, endPoint) = await RespServer.StartAsync("--Resp:MaxPendingBytes=100000");
        await using var _ = server;
        using var slow = await RespServer.ConnectAsync(endPoint);
        using var publisher = await RespServer.ConnectAsync(endPoint);
        await RespServer.ShowAsync(slow, "SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
        await UntilAsync(publisher, $"PUBLISH a {new string('x', 50_000)}\r\n", ":0\r\n");
        await Assert.ThrowsAsync<SocketException>(() => RespServer.ReceiveToTheEndAsync(slow));
    }

    [Fact]
    public async Task A_client_that_asks_for_much_and_reads_nothing_is_waited_for()
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        using var client = await RespServer.ConnectAsync(endPoint);
        var value = new string('x', 60_000);
        await RespServer.ShowAsync(client, $"SET a {value}\r\n", "+OK\r\n");

        // 60 MB of answers: far more than the server may keep for one connection.
        const int Asked = 1_000;
        await client.SendAsync(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("GET a\r\n", Asked))));
        using var other = await RespServer.ConnectAsync(endPoint);
        await RespServer.ShowAsync(other, "PING\r\n", "+PONG\r\n");
        var answer = $"$60000\r\n{value}\r\n";
        for (var i = 0; i < Asked; i++)
        {
            Assert.True(answer == await RespServer.ReceiveAsync(client, answer.Length), $"Answer {i} is another one.");
        }
    }

    [Fact]
    public async Task A_signal_stops_it_with_what_has_arrived_answered()
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        using var idle = await RespServer.ConnectAsync(endPoint);
        await RespServer.ShowAsync(idle, "SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
        using var busy = await RespServer.ConnectAsync(endPoint);
        await RespServer.ShowAsync(busy, "PING\r\n", "+PONG\r\n");
        const int Commands = 2_000;
        await busy.SendAsync(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("INCR a\r\n", Commands))));
        server.Signal(ServerProcess.SigTerm);
        Assert.EndsWith($":{Commands}\r\n", await RespServer.ReceiveToTheEndAsync(busy), StringComparison.Ordinal);
        busy.Dispose();
        Assert.Empty(await RespServer.ReceiveToTheEndAsync(idle));
        idle.Dispose();
        Assert.Equal(0, await server.WaitForExitAsync());
    }

    /// <summary>Asks until it is answered so; every other answer is one line.</summary>
    private static async Task UntilAsync(Socket client, string sent, string expected)
    {
        using var limit = new CancellationTokenSource(RespServer.Limit);
        var received = "";
        while (received != expected)
        {
            limit.Token.ThrowIfCancellationRequested();
            await client.SendAsync(Encoding.ASCII.GetBytes(sent));
            received = "";
            while (!received.EndsWith("\r\n", StringComparison.Ordinal) || (received is ['$', >= '0', ..] && received.Split("\r\n").Length < 3))
            {
                var next = await RespServer.ReceiveAsync(client, 1);
                Assert.NotEmpty(next);
                received += next;
            }
        }
    }

    private static async Task ReceiveUntilAsync(Socket client, string end)
    {
        var received = "";
        while (!received.EndsWith(end, StringComparison.Ordinal))
        {
            var next = await RespServer.ReceiveAsync(client, 1);
            Assert.True(next.Length > 0, received);
            received += next;
        }
    }
}
