using Peregrine.Sockets.EventLoops;

namespace Peregrine.Sockets.Tests.EventLoops;

public sealed class ReadinessTests
{
    [Fact]
    public async Task Nothing_that_is_told_is_lost_to_a_flow_that_begins_to_wait_at_that_moment()
    {
        const int Rounds = 300_000;
        var readiness = default(Readiness);
        var (told, taken) = (0, 0);
        using var wake = new SemaphoreSlim(0);
        var flow = Task.Factory.StartNew(
            () =>
            {
                while (taken < Rounds)
                {
                    readiness.Forget();
                    if (Volatile.Read(ref told) > taken)
                    {
                        Volatile.Write(ref taken, taken + 1);
                    }
                    else if (readiness.TryWait())
                    {
                        Assert.True(wake.Wait(TimeSpan.FromSeconds(10)), $"Round {taken + 1} was told, and nobody woke.");
                    }
                }
            },
            TaskCreationOptions.LongRunning);
        var loop = Task.Factory.StartNew(
            () =>
            {
                for (var round = 1; round <= Rounds && !flow.IsCompleted; round++)
                {
                    Volatile.Write(ref told, round);
                    if (readiness.TryTake())
                    {
                        wake.Release();
                    }

                    // The next is told at about the moment at which the flow has nothing more, and waits.
                    for (var i = 1; Volatile.Read(ref taken) < round && !flow.IsCompleted; i++)
                    {
                        if (i % 1_000 == 0)
                        {
                            Thread.Yield();
                        }
                    }
                }
            },
            TaskCreationOptions.LongRunning);
        await Task.WhenAll(flow, loop).Bounded();
        Assert.Equal(Rounds, taken);
    }
}
