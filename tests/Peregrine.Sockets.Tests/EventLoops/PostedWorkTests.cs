using Microsoft.AspNetCore.Connections;
using Peregrine.Features;

namespace Peregrine.Sockets.Tests.EventLoops;

/// <summary>Work that other threads post to an event loop, which may sleep.</summary>
public sealed class PostedWorkTests
{
    [LinuxTheory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_loop_that_sleeps_is_woken_for_whatever_is_posted(int seed)
    {
        // Pauses of all lengths, so that the loop falls asleep, and is woken by others, at every moment.
        const int Threads = 4;
        const int Rounds = 2_000;
        var connected = new TaskCompletionSource<ConnectionContext>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await LoopServer.StartAsync(async connection =>
        {
            connected.SetResult(connection);
            await LoopServer.EchoAsync(connection);
        });
        using var client = await server.ConnectAsync();
        var scheduling = (await connected.Task.Bounded()).Features.Get<IConnectionSchedulingFeature>()!;
        await Task.WhenAll(Enumerable.Range(0, Threads).Select(number => Task.Factory.StartNew(
            () =>
            {
                var random = new Random((seed * Threads) + number);
                using var ran = new SemaphoreSlim(0);
                for (var round = 0; round < Rounds; round++)
                {
                    var count = random.Next(1, 5);
                    for (var i = 0; i < count; i++)
                    {
                        scheduling.Schedule(new Work(ran));
                    }

                    for (var i = 0; i < count; i++)
                    {
                        Assert.True(ran.Wait(TestTimeout.Limit));
                    }

                    Thread.SpinWait(random.Next(2_000));
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default))).Bounded();
        client.Shutdown(System.Net.Sockets.SocketShutdown.Send);
    }

    private sealed class Work(SemaphoreSlim ran) : IThreadPoolWorkItem
    {
        public void Execute() => ran.Release();
    }
}
