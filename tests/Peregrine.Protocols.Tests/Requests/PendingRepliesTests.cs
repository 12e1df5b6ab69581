using Microsoft.Extensions.Time.Testing;

namespace Peregrine.Protocols.Tests.Requests;

public sealed class PendingRepliesTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public async Task Each_reply_finds_its_request()
    {
        using var replies = Create();
        var waits = Enumerable.Range(0, 10).Select(id => replies.WaitAsync(id)).ToArray();
        for (var id = 9; id >= 0; id--)
        {
            Assert.True(replies.TryComplete(id, $"reply {id}"));
        }

        Assert.Equal(Enumerable.Range(0, 10).Select(id => $"reply {id}"), await Task.WhenAll(waits).WaitAsync(s_limit, TimeProvider.System));
        Assert.Equal(0, replies.Count);
    }

    [Fact]
    public async Task A_reply_that_nobody_waits_for_has_nobody()
    {
        using var replies = Create();
        Assert.False(replies.TryComplete(1, "never asked for"));
        var wait = replies.WaitAsync(1);
        Assert.True(replies.TryComplete(1, "reply"));
        Assert.False(replies.TryComplete(1, "again"));
        Assert.False(replies.TryFail(1, new NotSupportedException()));
        Assert.Equal("reply", await wait);
    }

    [Fact]
    public async Task A_request_fails_as_the_peer_says()
    {
        using var replies = Create();
        var wait = replies.WaitAsync(1);
        Assert.True(replies.TryFail(1, new NotSupportedException("No.")));
        Assert.Equal("No.", (await Assert.ThrowsAsync<NotSupportedException>(() => wait)).Message);
    }

    [Fact]
    public async Task Each_wait_ends_in_its_time_and_no_earlier()
    {
        using var replies = Create();
        var first = replies.WaitAsync(1);
        _clock.Advance(TimeSpan.FromSeconds(3));
        var second = replies.WaitAsync(2);
        _clock.Advance(TimeSpan.FromSeconds(1.9));
        Assert.False(first.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Contains("request 1 within 00:00:05", (await Assert.ThrowsAsync<TimeoutException>(() => first.WaitAsync(s_limit, TimeProvider.System))).Message, StringComparison.Ordinal);
        Assert.False(second.IsCompleted);
        Assert.False(replies.TryComplete(1, "late"));
        _clock.Advance(TimeSpan.FromSeconds(3));
        await Assert.ThrowsAsync<TimeoutException>(() => second.WaitAsync(s_limit, TimeProvider.System));

        // The timer begins again.
        var third = replies.WaitAsync(1);
        _clock.Advance(TimeSpan.FromSeconds(5.1));
        await Assert.ThrowsAsync<TimeoutException>(() => third.WaitAsync(s_limit, TimeProvider.System));
        Assert.Equal(0, replies.Count);
    }

    [Fact]
    public async Task A_wait_that_is_cancelled_makes_room()
    {
        using var replies = new PendingReplies<int, string>(TimeSpan.FromSeconds(5), maxPending: 1, clock: _clock);
        using var cancellation = new CancellationTokenSource();
        var wait = replies.WaitAsync(1, cancellation.Token);
        await cancellation.CancelAsync();
        Assert.Equal(cancellation.Token, (await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait)).CancellationToken);
        Assert.False(replies.TryComplete(1, "late"));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => replies.WaitAsync(1, cancellation.Token));
        var next = replies.WaitAsync(1);
        Assert.True(replies.TryComplete(1, "reply"));
        Assert.Equal("reply", await next);
    }

    [Fact]
    public async Task No_more_wait_than_may_and_none_has_the_id_of_another()
    {
        using var replies = new PendingReplies<int, string>(TimeSpan.FromSeconds(5), maxPending: 2, clock: _clock);
        var first = replies.WaitAsync(1);
        Assert.Contains("id 1", (await Assert.ThrowsAsync<InvalidOperationException>(() => replies.WaitAsync(1))).Message, StringComparison.Ordinal);
        var second = replies.WaitAsync(2);
        Assert.Contains("maxPending", (await Assert.ThrowsAsync<InvalidOperationException>(() => replies.WaitAsync(3))).Message, StringComparison.Ordinal);
        replies.TryComplete(1, "one");
        replies.TryComplete(2, "two");
        Assert.Equal(["one", "two"], await Task.WhenAll(first, second));
    }

    [Fact]
    public async Task The_end_of_the_connection_ends_every_wait_and_every_later_one()
    {
        var replies = Create();
        var wait = replies.WaitAsync(1);
        replies.End(new NotSupportedException("It has ended."));
        replies.Dispose();
        await Assert.ThrowsAsync<NotSupportedException>(() => wait);
        await Assert.ThrowsAsync<NotSupportedException>(() => replies.WaitAsync(2));
        Assert.False(replies.TryComplete(1, "late"));
        var disposed = Create();
        disposed.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => disposed.WaitAsync(1));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-2)]
    public void A_timeout_out_of_range_is_refused(int milliseconds) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new PendingReplies<int, string>(TimeSpan.FromMilliseconds(milliseconds)));

    [Fact]
    public async Task Replies_timeouts_and_cancellations_at_once_end_each_wait_once()
    {
        using var replies = new PendingReplies<int, int>(TimeSpan.FromMilliseconds(2), maxPending: 100_000);
        var ends = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
        {
            for (var i = 0; i < 2_000; i++)
            {
                var id = (i * 4) + worker;
                using var cancellation = new CancellationTokenSource();
                var wait = replies.WaitAsync(id, cancellation.Token);
                var others = Task.WhenAll(Task.Run(() => replies.TryComplete(id, id)), Task.Run(cancellation.Cancel));
                try
                {
                    Assert.Equal(id, await wait);
                }
                catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
                {
                    // One of the three was first.
                }

                Interlocked.Increment(ref ends);
                await others;
            }
        }))).WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal(8_000, ends);
        Assert.Equal(0, replies.Count);
    }

    private PendingReplies<int, string> Create() => new(TimeSpan.FromSeconds(5), clock: _clock);
}
