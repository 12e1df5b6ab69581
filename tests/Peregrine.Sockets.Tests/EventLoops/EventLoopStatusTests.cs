namespace Peregrine.Sockets.Tests.EventLoops;

public sealed class EventLoopStatusTests
{
    [LinuxFact]
    public async Task A_loop_that_a_handler_holds_is_seen_until_the_handler_gives_it_back()
    {
        using var gate = new ManualResetEventSlim();
        await using var server = await LoopServer.StartAsync(
            connection =>
            {
                gate.Wait(TimeSpan.FromMinutes(1));
                return Task.CompletedTask;
            },
            ConnectionScheduling.Inline);
        using var client = await server.ConnectAsync();
        await UntilAsync(() => EventLoopStatus.LongestHold > TimeSpan.FromMilliseconds(300));
        var before = EventLoopStatus.LongestHold;
        gate.Set();
        await UntilAsync(() => EventLoopStatus.LongestHold < before); // Others may hold theirs.
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromMinutes(1));
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }
    }
}
