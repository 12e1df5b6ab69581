using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Ends;

/// <summary>Nothing is lost when a connection or a server ends. Each test prints its figures.</summary>
public sealed class LosslessTests(ITestOutputHelper output)
{
    private const int Answer = 1_000_000;

    private static readonly byte[] s_answer = new byte[Answer];

    [Fact]
    public async Task Answers_arrive_whole_although_the_client_sends_more_after_they_began()
    {
        const int Answers = 5_000;
        await using var server = await RealServer.StartAsync(AnswerAsync);
        int started = 0, truncated = 0, reset = 0;
        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () =>
        {
            var buffer = new byte[256 * 1024];
            while (Interlocked.Increment(ref started) <= Answers)
            {
                try
                {
                    using var client = await server.ConnectAsync();
                    await client.SendAsync("get?"u8.ToArray());
                    var first = await client.ReceiveAsync(buffer);
                    await client.SendAsync("more"u8.ToArray());
                    if (first + await client.ReceiveToEndAsync(buffer) != Answer)
                    {
                        Interlocked.Increment(ref truncated);
                    }
                }
                catch (SocketException)
                {
                    Interlocked.Increment(ref reset);
                }
            }
        }))).WaitAsync(RealServer.Limit);
        output.WriteLine($"{Answers} answers: {truncated} truncated, {reset} resets");
        Assert.Equal((0, 0), (truncated, reset));
    }

    [Fact]
    public async Task A_stop_with_two_thousand_connections_in_the_middle_of_an_answer_truncates_none()
    {
        const int Connections = 2_000;
        var handling = 0;
        await using var server = await RealServer.StartAsync(async connection =>
        {
            Interlocked.Increment(ref handling);
            await AnswerAsync(connection);
            Interlocked.Decrement(ref handling);
        });
        var middle = new CountdownEvent(Connections);
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var clients = Enumerable.Range(0, Connections).Select(_ => Task.Run(async () =>
        {
            using var client = await server.ConnectAsync();
            var buffer = new byte[16 * 1024];
            await client.SendAsync("get?"u8.ToArray());
            await client.ReceiveExactlyAsync(buffer, 50_000);
            middle.Signal();
            await goOn.Task;
            return 50_000 + await client.ReceiveToEndAsync(buffer);
        })).ToList();
        Assert.True(middle.Wait(RealServer.Limit));

        // Nor has the kernel taken the rest of the answers: their handlers wait for it.
        Assert.Equal(Connections, Volatile.Read(ref handling));
        var started = Stopwatch.GetTimestamp();
        var stop = server.StopAsync();
        goOn.SetResult();
        await stop.WaitAsync(RealServer.Limit);
        var took = Stopwatch.GetElapsedTime(started);
        var received = await Task.WhenAll(clients).WaitAsync(RealServer.Limit);
        output.WriteLine($"{Connections} connections: {received.Count(bytes => bytes != Answer)} truncated; the stop took {took.TotalSeconds:0.0} s");
        Assert.All(received, bytes => Assert.Equal(Answer, bytes));
        Assert.InRange(took, TimeSpan.Zero, TimeSpan.FromSeconds(25.5));
    }

    [Fact]
    public async Task A_stop_whose_clients_do_not_read_on_returns_in_time()
    {
        const int Connections = 200;
        await using var server = await RealServer.StartAsync(AnswerAsync, options => options.ShutdownTimeout = TimeSpan.FromSeconds(2));
        var clients = new List<Socket>();
        for (var i = 0; i < Connections; i++)
        {
            clients.Add(await server.ConnectAsync());
            await clients[i].SendAsync("get?"u8.ToArray());
            await clients[i].ReceiveExactlyAsync(new byte[4096], 4096);
        }

        var started = Stopwatch.GetTimestamp();
        await server.StopAsync().WaitAsync(RealServer.Limit);
        var took = Stopwatch.GetElapsedTime(started);
        output.WriteLine($"{Connections} clients that do not read: the stop took {took.TotalSeconds:0.00} s of 2 s");
        Assert.InRange(took, TimeSpan.FromSeconds(1.9), TimeSpan.FromSeconds(2.5));
        Assert.DoesNotContain(RealServer.StatesOf(server.Address.Port), state => state != RealServer.TimeWait);
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task No_socket_is_in_TIME_WAIT_where_clients_close_first()
    {
        const int Connections = 200;
        await using var server = await RealServer.StartAsync(
            async connection =>
            {
                await Ends.RequestAsync(connection);
                await connection.CloseRequested().WhenFiredAsync();
                await connection.Transport.Output.WriteAsync("goodbye"u8.ToArray());
            },
            options => (options.ClientCloseGrace, options.ShutdownTimeout) = (RealServer.Limit / 2, RealServer.Limit));
        var clients = Enumerable.Range(0, Connections).Select(_ => Task.Run(async () =>
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync("hello"u8.ToArray());
            await client.ReceiveExactlyAsync(new byte[7], 7);
            client.Shutdown(SocketShutdown.Send);
            return await client.ReceiveToEndAsync(new byte[16]);
        })).ToList();
        await server.WaitForMoreConnectionsAsync(Connections);
        var port = server.Address.Port;
        await server.StopAsync().WaitAsync(RealServer.Limit);
        Assert.All(await Task.WhenAll(clients), bytes => Assert.Equal(0, bytes));
        var states = RealServer.StatesOf(port);
        output.WriteLine($"{Connections} clients that closed first: {states.Count} sockets of the server are left");
        Assert.Empty(states);
    }

    [Fact]
    public async Task Peers_that_never_send_a_FIN_get_everything_and_leave_no_socket()
    {
        const int Connections = 500;
        const int Size = 30_000; // No more than their kernels take unread.
        await using var server = await RealServer.StartAsync(
            async connection =>
            {
                await Ends.RequestAsync(connection);
                await connection.Transport.Output.WriteAsync(s_answer.AsMemory(0, Size));
            },
            endpoint: endpoint => endpoint.Close.Silence = TimeSpan.FromSeconds(1));
        var clients = new List<Socket>();
        for (var i = 0; i < Connections; i++)
        {
            clients.Add(await server.ConnectAsync());
            await clients[i].SendAsync("get?"u8.ToArray());
        }

        await server.Endpoint.WaitForConnectionsAsync(0).WaitAsync(RealServer.Limit);
        var left = RealServer.StatesOf(server.Address.Port).Count;
        var whole = 0;
        foreach (var client in clients)
        {
            whole += await client.ReceiveToEndAsync(new byte[64 * 1024]) == Size ? 1 : 0;
            client.Dispose();
        }

        output.WriteLine($"{Connections} peers without a FIN: {left} sockets of the server are left, {whole} got everything and a clean end");
        Assert.Equal((0, Connections), (left, whole));
    }

    private static async Task AnswerAsync(ConnectionContext connection)
    {
        await Ends.RequestAsync(connection);
        await connection.Transport.Output.WriteAsync(s_answer);
    }
}
