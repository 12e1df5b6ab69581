using Peregrine.Sockets.EventLoops;

namespace Peregrine.Sockets.Tests.EventLoops;

public sealed class WaitSpinTests
{
    [Fact]
    public void A_loop_that_finds_something_each_time_looks_each_time()
    {
        var spin = default(WaitSpin);
        for (var i = 0; i < 1000; i++)
        {
            Assert.True(spin.TryBegin());
            spin.Hit();
        }
    }

    [Fact]
    public void A_loop_that_finds_nothing_looks_ever_more_seldom_up_to_a_limit()
    {
        var spin = default(WaitSpin);
        int[] skipped = [.. Enumerable.Range(0, 7).Select(_ => SkippedAfterMiss(ref spin))];
        Assert.Equal([1, 4, 16, 64, 256, 256, 256], skipped);
        Assert.Equal(256, WaitSpin.MostSkipped);
    }

    [Fact]
    public void With_two_hits_for_each_miss_a_loop_goes_on_looking()
    {
        var spin = default(WaitSpin);
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(1, SkippedAfterMiss(ref spin));
            spin.Hit();
            spin.Hit();
        }
    }

    [Fact]
    public void A_loop_that_becomes_busy_after_it_was_idle_looks_each_time_again()
    {
        var spin = default(WaitSpin);
        for (var i = 0; i < 100; i++)
        {
            SkippedAfterMiss(ref spin);
        }

        for (var i = 0; i < 10; i++)
        {
            Assert.True(spin.TryBegin());
            spin.Hit();
        }

        Assert.Equal(1, SkippedAfterMiss(ref spin));
    }

    [Fact]
    public void What_needed_no_look_says_nothing()
    {
        var spin = default(WaitSpin);
        SkippedAfterMiss(ref spin);
        for (var i = 0; i < 100; i++)
        {
            Assert.True(spin.TryBegin());
        }

        Assert.Equal(4, SkippedAfterMiss(ref spin));
    }

    private static int SkippedAfterMiss(ref WaitSpin spin)
    {
        spin.Miss();
        var skipped = 0;
        while (!spin.TryBegin())
        {
            skipped++;
        }

        return skipped;
    }
}
