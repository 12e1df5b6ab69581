using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Ends;

/// <summary>Connections that do not read while their peers reset them: the kernel says nothing of that unless somebody looks.</summary>
public sealed class PausedTests(ITestOutputHelper output)
{
    private const int Connections = 1_000;
    private static readonly TimeSpan Reaping = TimeSpan.FromSeconds(2);

    private readonly List<Socket> _clients = [];

    [Fact]
    public async Task Those_that_wait_for_the_end_are_reaped()
    {
        await using var server = await RealServer.StartAsync(connection => connection.ConnectionClosed.WhenFiredAsync());
        await ConnectAsync(server);
        await ReapAsync(server, "waited for their ends", ResetAll);
    }

    [Fact]
    public async Task Those_whose_flush_is_blocked_are_reaped()
    {
        var answer = new byte[300_000];
        var blocked = 0;
        await using var server = await RealServer.StartAsync(
            async connection =>
            {
                var flushing = connection.Transport.Output.WriteAsync(answer);
                Assert.False(flushing.IsCompleted);
                Interlocked.Increment(ref blocked);
                Assert.True((await flushing).IsCompleted);
                Interlocked.Decrement(ref blocked);
            },
            endpoint: endpoint => endpoint.Socket.SendBufferSizeInBytes = 16 * 1024);
        await ConnectAsync(server, receiveBuffer: 4096);
        await WaitUntilAsync(() => Volatile.Read(ref blocked) == Connections);
        await ReapAsync(server, "were blocked in a flush", ResetAll);
        Assert.Equal(0, blocked);
    }

    /// <summary>A handler that holds its connection and never looks keeps it: nothing is taken away beneath it. It meets the end when it acts.</summary>
    [Fact]
    public async Task Those_that_never_look_meet_the_reset_at_their_next_read_or_flush()
    {
        var act = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int count = 0, met = 0;
        await using var server = await RealServer.StartAsync(async connection =>
        {
            var writes = Interlocked.Increment(ref count) % 2 == 0;
            await act.Task;
            if (writes ? await FlushesIntoNothingAsync(connection) : await ReadsAResetAsync(connection))
            {
                Interlocked.Increment(ref met);
            }
        });
        await ConnectAsync(server);
        ResetAll();
        await WaitUntilAsync(() => RealServer.StatesOf(server.Address.Port).All(state => state != RealServer.Established));
        Assert.Equal(Connections, server.Endpoint.Connections);
        await ReapAsync(server, "did not look, and then acted", act.SetResult);
        Assert.Equal(Connections, met);
    }

    private static async Task<bool> FlushesIntoNothingAsync(ConnectionContext connection)
    {
        var flushed = await connection.Transport.Output.WriteAsync(new byte[1]);
        return flushed.IsCompleted;
    }

    /// <summary>Behind what had come before it.</summary>
    private static async Task<bool> ReadsAResetAsync(ConnectionContext connection)
    {
        await Ends.RequestAsync(connection);
        try
        {
            await Ends.RequestAsync(connection);
            return false;
        }
        catch (ConnectionResetException)
        {
            return true;
        }
    }

    private async Task ConnectAsync(RealServer server, int? receiveBuffer = null)
    {
        for (var i = 0; i < Connections; i++)
        {
            _clients.Add(await server.ConnectAsync(receiveBuffer));
            await _clients[i].SendAsync("nobody reads this"u8.ToArray());
        }

        await server.WaitForMoreConnectionsAsync(Connections);
    }

    private void ResetAll()
    {
        foreach (var client in _clients)
        {
            client.LingerState = new LingerOption(true, 0);
            client.Dispose();
        }
    }

    private async Task ReapAsync(RealServer server, string what, Action begin)
    {
        var started = Stopwatch.GetTimestamp();
        begin();
        await server.Endpoint.WaitForConnectionsAsync(0).WaitAsync(RealServer.Limit);
        var took = Stopwatch.GetElapsedTime(started);
        output.WriteLine($"{Connections} connections that {what} were reset, and reaped in {took.TotalSeconds:0.00} s");
        Assert.InRange(took, TimeSpan.Zero, Reaping);
    }

    private static async Task WaitUntilAsync(Func<bool> holds)
    {
        var started = Stopwatch.GetTimestamp();
        while (!holds())
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < RealServer.Limit);
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }
}
