using System.Collections.Concurrent;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Sockets.Tests.EventLoops;

/// <summary>One event loop, and handlers that hold its thread.</summary>
public sealed class HeldLoopTests
{
    private const byte Hold = (byte)'!';

    [LinuxFact]
    public async Task Handlers_that_hold_their_thread_do_not_stop_the_others()
    {
        using var gate = new ManualResetEventSlim();
        await using var server = await LoopServer.StartAsync(connection => EchoOrHoldAsync(connection, gate));
        using var other = await server.ConnectAsync();
        var held = new List<Socket>();
        for (var i = 0; i < 5; i++)
        {
            var client = await server.ConnectAsync();
            held.Add(client);
            await client.SendAsync(new[] { Hold });
            for (var message = 0; message < 100; message++)
            {
                await AssertEchoAsync(other);
            }

            using var late = await server.ConnectAsync();
            await AssertEchoAsync(late);
        }

        // They go on where they were, and lose nothing.
        gate.Set();
        foreach (var client in held)
        {
            Assert.Equal(Hold, await ReceiveAsync(client));
            await AssertEchoAsync(client);
            client.Dispose();
        }

        Assert.Empty(server.Log.WithId(8));
    }

    [LinuxFact]
    public async Task A_handler_that_waits_for_another_connection_of_its_loop_is_not_in_its_way()
    {
        using var signal = new SemaphoreSlim(0);
        await using var server = await LoopServer.StartAsync(async connection =>
        {
            while (await ReadByteAsync(connection) is { } message)
            {
                if (message == Hold)
                {
                    signal.Wait();
                }
                else
                {
                    signal.Release();
                }

                await connection.Transport.Output.WriteAsync(new[] { message });
            }
        });
        using var waiting = await server.ConnectAsync();
        using var releasing = await server.ConnectAsync();
        for (var i = 0; i < 20; i++)
        {
            await waiting.SendAsync(new[] { Hold });
            await releasing.SendAsync("x"u8.ToArray());
            Assert.Equal(Hold, await ReceiveAsync(waiting));
            Assert.Equal((byte)'x', await ReceiveAsync(releasing));
        }
    }

    [LinuxFact]
    public async Task A_handler_may_wait_synchronously_for_its_own_connection()
    {
        await using var server = await LoopServer.StartAsync(connection =>
        {
            while (true)
            {
                var read = connection.Transport.Input.ReadAsync().AsTask().GetAwaiter().GetResult();
                foreach (var segment in read.Buffer)
                {
                    connection.Transport.Output.WriteAsync(segment).AsTask().GetAwaiter().GetResult();
                }

                connection.Transport.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return Task.CompletedTask;
                }
            }
        });
        using var one = await server.ConnectAsync();
        using var two = await server.ConnectAsync();
        for (var i = 0; i < 50; i++)
        {
            await AssertEchoAsync(one);
            await AssertEchoAsync(two);
        }
    }

    [LinuxFact]
    public async Task What_blocks_now_and_then_costs_no_message()
    {
        var messages = 0;
        using var never = new ManualResetEventSlim();
        await using var server = await LoopServer.StartAsync(
            async connection =>
            {
                while (await ReadByteAsync(connection) is { } message)
                {
                    if (Interlocked.Increment(ref messages) % 500 == 0)
                    {
                        never.Wait(20);
                    }

                    await connection.Transport.Output.WriteAsync(new[] { message });
                }
            },
            loops: 2);
        await Task.WhenAll(Enumerable.Range(0, 16).Select(async _ =>
        {
            using var client = await server.ConnectAsync();
            for (var i = 0; i < 500; i++)
            {
                await AssertEchoAsync(client);
            }
        })).WaitAsync(TimeSpan.FromMinutes(1));
    }

    [LinuxFact]
    public async Task With_every_thread_held_the_loop_waits_which_is_logged_and_goes_on_afterwards()
    {
        using var gate = new ManualResetEventSlim();
        await using var server = await LoopServer.StartAsync(connection => EchoOrHoldAsync(connection, gate), mostHeld: 2);
        var clients = new List<Socket>();
        for (var i = 0; i < 6; i++)
        {
            clients.Add(await server.ConnectAsync());
            await AssertEchoAsync(clients[^1]);
        }

        foreach (var client in clients)
        {
            await client.SendAsync(new[] { Hold });
        }

        var report = await LoggedAsync(server, 8);
        Assert.Contains(server.EndPoint.ToString()!, report, StringComparison.Ordinal);
        Assert.Contains("all of the 3 threads", report, StringComparison.Ordinal);
        gate.Set();
        foreach (var client in clients)
        {
            Assert.Equal(Hold, await ReceiveAsync(client));
            await AssertEchoAsync(client);
            client.Dispose();
        }
    }

    [LinuxFact]
    public async Task A_loop_that_is_handed_to_nobody_waits_for_its_handler_which_is_logged_as_of_Inline()
    {
        using var gate = new ManualResetEventSlim();
        await using var server = await LoopServer.StartAsync(connection => EchoOrHoldAsync(connection, gate), mostHeld: 0);
        using var held = await server.ConnectAsync();
        using var other = await server.ConnectAsync();
        await AssertEchoAsync(held);
        await AssertEchoAsync(other);
        await held.SendAsync(new[] { Hold });
        var report = await LoggedAsync(server, 5);
        Assert.Contains(server.EndPoint.ToString()!, report, StringComparison.Ordinal);
        Assert.Contains("\"ThreadPool\" instead of \"Inline\"", report, StringComparison.Ordinal);
        await other.SendAsync("x"u8.ToArray());
        Assert.False(other.Poll(TimeSpan.FromMilliseconds(50), SelectMode.SelectRead));
        gate.Set();
        Assert.Equal(Hold, await ReceiveAsync(held));
        Assert.Equal((byte)'x', await ReceiveAsync(other));
        Assert.Empty(server.Log.WithId(8));
    }

    [LinuxTheory]
    [InlineData(ConnectionScheduling.Inline)]
    [InlineData(ConnectionScheduling.EventLoop)]
    [InlineData(ConnectionScheduling.ThreadPool)]
    public async Task Handlers_go_on_where_the_scheduling_says(ConnectionScheduling scheduling)
    {
        var places = new ConcurrentBag<(string? Name, bool IsOfPool)>();
        await using var server = await LoopServer.StartAsync(
            async connection =>
            {
                while (await ReadByteAsync(connection).ConfigureAwait(false) is { } message)
                {
                    places.Add((Thread.CurrentThread.Name, Thread.CurrentThread.IsThreadPoolThread));
                    await connection.Transport.Output.WriteAsync(new[] { message }).ConfigureAwait(false);
                }
            },
            scheduling);
        using var client = await server.ConnectAsync();
        for (var i = 0; i < 10; i++)
        {
            await AssertEchoAsync(client);
        }

        Assert.All(places, place => Assert.Equal(scheduling == ConnectionScheduling.ThreadPool, place.IsOfPool));
        Assert.All(places, place => Assert.Equal(scheduling != ConnectionScheduling.ThreadPool, place.Name == "Peregrine event loop"));
        Assert.Empty(server.Log.WithId(10));
    }

    [LinuxFact]
    public async Task An_exception_of_a_continuation_is_logged_and_stops_nothing()
    {
        await using var server = await LoopServer.StartAsync(async connection =>
        {
            // Not awaited: nothing catches what its continuation throws.
            var thrown = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var reading = connection.Transport.Input.ReadAsync();
            Assert.False(reading.IsCompleted);
            reading.GetAwaiter().UnsafeOnCompleted(() =>
            {
                thrown.SetResult();
                throw new InvalidOperationException("nobody catches this");
            });
            await connection.Transport.Output.WriteAsync("x"u8.ToArray());
            await thrown.Task;
            connection.Abort();
        });
        for (var i = 0; i < 20; i++)
        {
            using var client = await server.ConnectAsync();
            Assert.Equal((byte)'x', await ReceiveAsync(client));
            await client.SendAsync(new byte[1]);
            await Assert.ThrowsAsync<SocketException>(() => client.ReceiveAsync(new byte[1]).Bounded());
        }

        // The last client may learn of the abort before the exception has come to the log.
        Assert.True(SpinWait.SpinUntil(() => server.Log.WithId(9).Count >= 20, TestTimeout.Limit));
        Assert.Equal(20, server.Log.WithId(9).Count);
    }

    /// <summary>What is logged once, when it is.</summary>
    private static async Task<string> LoggedAsync(LoopServer server, int id)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (server.Log.WithId(id).Count == 0)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < TestTimeout.Limit, $"There is no entry with id {id}.");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        return Assert.Single(server.Log.WithId(id));
    }

    private static async Task EchoOrHoldAsync(ConnectionContext connection, ManualResetEventSlim gate)
    {
        while (await ReadByteAsync(connection).ConfigureAwait(false) is { } message)
        {
            if (message == Hold)
            {
                gate.Wait();
            }

            await connection.Transport.Output.WriteAsync(new[] { message }).ConfigureAwait(false);
        }
    }

    private static async ValueTask<byte?> ReadByteAsync(ConnectionContext connection)
    {
        var read = await connection.Transport.Input.ReadAsync().ConfigureAwait(false);
        byte? message = read.Buffer.IsEmpty ? null : read.Buffer.FirstSpan[0];
        connection.Transport.Input.AdvanceTo(read.Buffer.GetPosition(message is null ? 0 : 1));
        return message;
    }

    private static async Task AssertEchoAsync(Socket client)
    {
        await client.SendAsync("x"u8.ToArray());
        Assert.Equal((byte)'x', await ReceiveAsync(client));
    }

    private static async Task<byte> ReceiveAsync(Socket client)
    {
        var buffer = new byte[1];
        Assert.Equal(1, await client.ReceiveAsync(buffer).Bounded());
        return buffer[0];
    }
}
