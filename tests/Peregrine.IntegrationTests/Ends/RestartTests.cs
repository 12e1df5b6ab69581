using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.IntegrationTests.Processes;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Ends;

/// <summary>Servers that follow one another on one port.</summary>
public sealed class RestartTests(ITestOutputHelper output)
{
    private const int Answer = 200_000;

    [Fact]
    public async Task Fifty_servers_on_one_port_under_load_truncate_nothing()
    {
        const int Cycles = 50;
        var port = FreePorts.Take(IPAddress.Parse(RealServer.OwnAddress));
        using var over = new CancellationTokenSource();
        int whole = 0, refused = 0, cleanBeforeTheAnswer = 0, truncated = 0, reset = 0;
        var clients = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            var buffer = new byte[64 * 1024];
            while (!over.IsCancellationRequested)
            {
                long received = 0;
                using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    await client.ConnectAsync(RealServer.OwnAddress, port);
                }
                catch (SocketException)
                {
                    refused++;
                    await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
                    continue;
                }

                try
                {
                    await client.SendAsync("get?"u8.ToArray());
                    while (await client.ReceiveAsync(buffer) is > 0 and var count)
                    {
                        received += count;
                    }

                    Interlocked.Increment(ref received == Answer ? ref whole : ref received == 0 ? ref cleanBeforeTheAnswer : ref truncated);
                }
                catch (SocketException)
                {
                    Interlocked.Increment(ref received > 0 ? ref truncated : ref reset);
                }
            }
        })).ToList();

        var bindFailures = 0;
        for (var cycle = 0; cycle < Cycles; cycle++)
        {
            try
            {
                await using var server = await RealServer.StartAsync(AnswerAsync, port: port);
                await ServeAsync();
                await server.StopAsync().WaitAsync(RealServer.Limit);
            }
            catch (Peregrine.Server.PeregrineStartException)
            {
                bindFailures++;
            }
        }

        await over.CancelAsync();
        await Task.WhenAll(clients).WaitAsync(RealServer.Limit);
        output.WriteLine(
            $"{Cycles} servers: {bindFailures} bind failures, {whole} answers whole, {truncated} truncated; {refused} connects refused, {reset} reset and {cleanBeforeTheAnswer} ended before the answer");
        Assert.Equal((0, 0), (bindFailures, truncated));

        // So that each of them is stopped in the midst of answers, on a slow machine too.
        async Task ServeAsync()
        {
            var enough = Volatile.Read(ref whole) + 10;
            for (var started = Stopwatch.GetTimestamp(); Volatile.Read(ref whole) < enough;)
            {
                Assert.True(Stopwatch.GetElapsedTime(started) < RealServer.Limit, "Nobody is served.");
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
            }
        }
    }

    [Fact]
    public async Task A_server_that_starts_beside_another_on_its_port_fails()
    {
        await using var server = await RealServer.StartAsync(AnswerAsync);
        var failure = await Assert.ThrowsAsync<Peregrine.Server.PeregrineStartException>(() => RealServer.StartAsync(AnswerAsync, port: server.Address.Port));
        Assert.Contains("is in use", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_is_bound_again_beside_what_is_left_of_its_last_server()
    {
        var port = FreePorts.Take(IPAddress.Parse(RealServer.OwnAddress));
        var kept = new List<Socket>();
        for (var round = 0; round < 3; round++)
        {
            // Leaves, each round: TIME_WAIT of one that this side closed, FIN_WAIT2 of one whose peer says nothing, and for a moment what the
            // deadline has reset.
            await using var server = await RealServer.StartAsync(
                async connection => await Ends.RequestAsync(connection), options => options.ShutdownTimeout = TimeSpan.FromSeconds(1), port: port);
            kept.Add(await server.ConnectAsync());
            kept.Add(await server.ConnectAsync());
            await kept[^1].SendAsync("x"u8.ToArray());
            using var closed = await server.ConnectAsync();
            await closed.SendAsync("x"u8.ToArray());
            Assert.Equal(0, await closed.ReceiveToEndAsync(new byte[16]));
        }

        kept.ForEach(client => client.Dispose());
    }

    private static async Task AnswerAsync(ConnectionContext connection)
    {
        var stopping = connection.CloseRequested();
        try
        {
            var read = await connection.Transport.Input.ReadAsync(stopping);
            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            if (read.Buffer.Length == 0)
            {
                return;
            }
        }
        catch (OperationCanceledException) when (!connection.Transport.Input.TryRead(out _))
        {
            return;
        }

        await connection.Transport.Output.WriteAsync(new byte[Answer], CancellationToken.None);
    }
}
