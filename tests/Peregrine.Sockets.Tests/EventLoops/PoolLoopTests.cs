using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Sockets.Tests.EventLoops;

/// <summary>The scheduling ThreadPool on Linux: the pool's threads look for events themselves, and one waits when there are none.</summary>
public sealed class PoolLoopTests
{
    [LinuxFact]
    public async Task Handlers_that_block_hold_nobody_else_up()
    {
        using var gate = new ManualResetEventSlim();
        var blocked = 0;
        await using var server = await LoopServer.StartOnThreadPoolAsync(async connection =>
        {
            var read = await connection.Transport.Input.ReadAsync();
            var first = read.Buffer.FirstSpan[0];
            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            if (first == 'b')
            {
                Interlocked.Increment(ref blocked);
                Assert.True(gate.Wait(TestTimeout.Limit));
            }
            else
            {
                await connection.Transport.Output.WriteAsync("good"u8.ToArray());
                await LoopServer.EchoAsync(connection);
            }
        });

        // Of every loop, and as many as the pool has threads at the start: it starts others for what stands in its queue.
        var blocking = new List<Socket>();
        for (var i = 0; i < 2 * Environment.ProcessorCount; i++)
        {
            blocking.Add(await server.ConnectAsync());
            await blocking[^1].SendAsync("b"u8.ToArray()).Bounded();
        }

        while (Volatile.Read(ref blocked) < blocking.Count)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System).Bounded();
        }

        var answer = new byte[4];
        for (var i = 0; i < 8; i++)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync("good"u8.ToArray()).Bounded();
            await client.ReceiveAsync(answer).Bounded();
            Assert.Equal("good"u8, answer);
        }

        gate.Set();
        blocking.ForEach(client => client.Dispose());
    }

    [LinuxTheory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task No_event_is_lost_between_the_pool_that_looks_and_the_thread_that_waits(int seed)
    {
        // Pauses of all lengths, so that the loops run out of events at every moment.
        const int Clients = 16;
        const int Rounds = 300;
        await using var server = await LoopServer.StartOnThreadPoolAsync(LoopServer.EchoAsync);
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async number =>
        {
            var random = new Random((seed * Clients) + number);
            using var client = await server.ConnectAsync();
            var answer = new byte[32];
            for (var round = 0; round < Rounds; round++)
            {
                var message = new byte[random.Next(1, answer.Length)];
                random.NextBytes(message);
                await client.SendAsync(message).Bounded();
                var received = 0;
                while (received < message.Length)
                {
                    var count = await client.ReceiveAsync(answer.AsMemory(received)).Bounded();
                    Assert.NotEqual(0, count);
                    received += count;
                }

                Assert.Equal(message, answer[..received]);
                for (var i = random.Next(4); i > 0; i--)
                {
                    await Task.Yield();
                }

                if (random.Next(20) == 0)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
                }
            }
        }));
    }
}
