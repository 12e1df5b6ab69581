using Peregrine.Sockets.EventLoops;

namespace Peregrine.Sockets.Tests.EventLoops;

public sealed class SendAllowanceTests
{
    private const int Watermark = 16 * 1024;
    private const int Block = 64 * 1024;

    private static readonly int s_bound = SendAllowance.BoundOf(Watermark);

    [Fact]
    public void A_peer_that_takes_nothing_is_given_the_bound_and_then_no_more_than_the_kernel_refuses()
    {
        var allowance = new SendAllowance(s_bound);
        Assert.False(allowance.Covers(Block));
        Assert.Equal(s_bound, allowance.Renew(Block, s_bound, room: 0));
        allowance.Take(s_bound);
        Assert.False(allowance.Covers(1));
        Assert.InRange(allowance.Renew(Block, s_bound, room: -s_bound), 1, 4 * 1024);
        Assert.InRange(s_bound, Watermark + 1, 2 * Watermark);
    }

    [Fact]
    public void What_a_peer_has_room_for_is_asked_once_and_may_be_given_at_once()
    {
        var allowance = new SendAllowance(s_bound);
        Assert.Equal(Block, allowance.Renew(Block, s_bound, room: 4 * Block));
        for (var i = 0; i < 4; i++)
        {
            Assert.True(allowance.Covers(Block));
            allowance.Take(Block);
        }

        Assert.True(allowance.Covers(s_bound));
        Assert.False(allowance.Covers(s_bound + 1));
    }

    [Fact]
    public void Files_of_any_size_which_are_sent_without_asking_never_make_room()
    {
        var allowance = new SendAllowance(s_bound);
        for (var i = 0; i < 8; i++)
        {
            allowance.Take(int.MaxValue);
            Assert.False(allowance.Covers(1));
        }

        Assert.Equal(1, allowance.Renew(1, s_bound, room: 0));
    }

    [Fact]
    public void Small_answers_need_no_question_before_the_bound()
    {
        var allowance = new SendAllowance(s_bound);
        for (var sent = 0; sent < s_bound; sent += 64)
        {
            Assert.True(allowance.Covers(64));
            allowance.Take(64);
        }
    }

    [Theory]
    [InlineData(0, 0L)]
    [InlineData(Watermark, null)]
    [InlineData(int.MaxValue, long.MaxValue / 2)]
    public void Without_a_watermark_and_where_the_kernel_does_not_tell_nothing_is_cut(int watermark, long? room)
    {
        var bound = SendAllowance.BoundOf(watermark);
        var allowance = new SendAllowance(bound);
        Assert.Equal(int.MaxValue, allowance.Renew(int.MaxValue, bound, room));
        Assert.True(allowance.Covers(int.MaxValue));
    }
}
