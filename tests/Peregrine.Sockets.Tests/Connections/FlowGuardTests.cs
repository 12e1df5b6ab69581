using Peregrine.Sockets.Connections;

namespace Peregrine.Sockets.Tests.Connections;

public sealed class FlowGuardTests
{
    [Fact]
    public void A_completion_that_meets_nobody_runs_and_closes_the_guard()
    {
        var guard = default(FlowGuard);
        Assert.True(guard.TryEnter());
        Assert.False(guard.Exit());
        Assert.True(guard.TryComplete());
        Assert.False(guard.TryEnter());
        Assert.False(guard.TryComplete());
    }

    [Fact]
    public void A_completion_that_meets_a_call_is_left_to_it_and_a_second_one_does_not_wait()
    {
        var guard = default(FlowGuard);
        Assert.True(guard.TryEnter());
        Assert.False(guard.TryComplete());
        Assert.False(guard.TryComplete());
        Assert.True(guard.Exit());
        Assert.False(guard.TryComplete());
        Assert.False(guard.TryEnter());
    }
}
