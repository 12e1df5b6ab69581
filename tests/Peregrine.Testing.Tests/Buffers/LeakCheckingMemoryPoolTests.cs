using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Time.Testing;

namespace Peregrine.Testing.Tests.Buffers;

public sealed class LeakCheckingMemoryPoolTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData(1, -1, 1)]
    [InlineData(1, 0, 1)]
    [InlineData(1, 7, 7)]
    [InlineData(64, 7, 64)]
    [InlineData(64, 65, 65)]
    public void Gives_exactly_what_is_asked_for_or_one_block(int blockSize, int asked, int given)
    {
        using var pool = new LeakCheckingMemoryPool(blockSize);
        using var block = pool.Rent(asked);
        Assert.Equal(given, block.Memory.Length);
        Assert.Equal(given, block.Memory.Span.Length);
    }

    [Fact]
    public void Counts_what_is_out()
    {
        using var pool = new LeakCheckingMemoryPool();
        var first = pool.Rent();
        var second = pool.Rent();
        Assert.Equal((2, 2), (pool.Rented, pool.MaxRented));
        first.Dispose();
        second.Dispose();
        Assert.Equal((0, 2), (pool.Rented, pool.MaxRented));
        pool.AssertAllReturned();
    }

    [Fact]
    public void A_block_works_as_memory()
    {
        using var pool = new LeakCheckingMemoryPool(blockSizeInBytes: 16);
        using var block = pool.Rent();
        new byte[] { 1, 2, 3 }.CopyTo(block.Memory.Span);
        Assert.True(MemoryMarshal.TryGetArray<byte>(block.Memory[1..], out var segment));
        Assert.Equal((1, 15), (segment.Offset, segment.Count));
        Assert.Equal([1, 2, 3], segment.Array![..3]);
        using (block.Memory.Pin())
            Assert.Equal(2, block.Memory.Span[1]);
    }

    [Fact]
    public void A_new_block_holds_no_zeros_and_is_never_an_old_one()
    {
        using var pool = new LeakCheckingMemoryPool(blockSizeInBytes: 64);
        var seen = new HashSet<byte[]>(ReferenceEqualityComparer.Instance);
        for (int i = 0; i < 100; i++)
        {
            using var block = pool.Rent();
            Assert.False(block.Memory.Span.Contains((byte)0));
            Assert.True(MemoryMarshal.TryGetArray<byte>(block.Memory, out var segment));
            Assert.True(seen.Add(segment.Array!));
        }
    }

    [Fact]
    public void Finds_a_block_that_was_not_returned()
    {
        var pool = new LeakCheckingMemoryPool(blockSizeInBytes: 32);
        pool.Rent().Dispose();
        var lost = pool.Rent();
        Assert.Equal("Block 2 of 32 bytes was not returned.", Assert.Throws<BufferViolationException>(pool.AssertAllReturned).Message);
        Assert.Throws<BufferViolationException>(pool.Dispose);
        lost.Dispose();
    }

    [Fact]
    public void Names_every_block_that_was_not_returned()
    {
        var pool = new LeakCheckingMemoryPool();
        for (int i = 0; i < 30; i++)
            pool.Rent();
        var thrown = Assert.Throws<BufferViolationException>(pool.Dispose);
        Assert.Equal(30, thrown.Violations.Count);
        Assert.Contains("30 violations", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shows_where_a_lost_block_was_rented()
    {
        var pool = new LeakCheckingMemoryPool(captureStacks: true);
        pool.Rent();
        var thrown = Assert.Throws<BufferViolationException>(pool.Dispose);
        Assert.Contains(nameof(Shows_where_a_lost_block_was_rented), thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Finds_a_double_return_also_when_its_exception_is_swallowed()
    {
        var pool = new LeakCheckingMemoryPool(blockSizeInBytes: 32);
        var block = pool.Rent();
        block.Dispose();
        Assert.Equal("Block 1 of 32 bytes was returned twice.", Assert.Throws<BufferViolationException>(block.Dispose).Message);
        Assert.Equal("Block 1 of 32 bytes was returned twice.", Assert.Throws<BufferViolationException>(pool.AssertAllReturned).Message);
        Assert.Throws<BufferViolationException>(pool.Dispose);
    }

    [Fact]
    public void Finds_a_use_after_the_return()
    {
        var pool = new LeakCheckingMemoryPool();
        var block = pool.Rent();
        var stale = block.Memory;
        block.Dispose();
        Assert.Throws<ObjectDisposedException>(() => block.Memory);
        Assert.Throws<ObjectDisposedException>(() => stale.Span.Length);
        Assert.Throws<ObjectDisposedException>(() => stale.Pin());
        Assert.Throws<ObjectDisposedException>(() => MemoryMarshal.TryGetArray<byte>(stale, out _));
        var thrown = Assert.Throws<BufferViolationException>(pool.AssertAllReturned);
        Assert.Equal(4, thrown.Violations.Count);
        Assert.All(thrown.Violations, violation => Assert.Contains("was used after it was returned", violation, StringComparison.Ordinal));
    }

    [Fact]
    public void Finds_a_write_through_a_stale_span()
    {
        var pool = new LeakCheckingMemoryPool(blockSizeInBytes: 32);
        var block = pool.Rent();
        var stale = block.Memory.Span;
        block.Dispose();
        pool.AssertAllReturned();
        stale[5] = 1;
        Assert.Equal("Block 1 of 32 bytes was written to after it was returned (offset 5).", Catch(pool).Message);
        Assert.Single(Catch(pool).Violations);

        static BufferViolationException Catch(LeakCheckingMemoryPool pool) => Assert.Throws<BufferViolationException>(pool.AssertAllReturned);
    }

    [Fact]
    public void Finds_a_write_through_a_stale_span_when_the_block_leaves_the_quarantine()
    {
        var pool = new LeakCheckingMemoryPool(blockSizeInBytes: 1 << 20);
        var block = pool.Rent();
        var stale = block.Memory.Span;
        block.Dispose();
        stale[^1] = 1;
        for (int i = 0; i < 20; i++)
            pool.Rent().Dispose();
        stale[^1] = 2;
        Assert.Single(Assert.Throws<BufferViolationException>(pool.AssertAllReturned).Violations);
    }

    [Fact]
    public void Finds_a_return_during_an_operation()
    {
        var pool = new LeakCheckingMemoryPool(blockSizeInBytes: 32);
        var block = pool.Rent();
        using (block.Memory.Pin())
            Assert.Throws<BufferViolationException>(block.Dispose);
        Assert.Equal("Block 1 of 32 bytes was returned while an operation had it pinned.", Assert.Throws<BufferViolationException>(pool.Dispose).Message);
    }

    [Fact]
    public void A_disposed_pool_gives_nothing()
    {
        var pool = new LeakCheckingMemoryPool();
        pool.Dispose();
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pool.Rent());
    }

    [Fact]
    public async Task Waits_until_everything_is_back()
    {
        using var pool = new LeakCheckingMemoryPool();
        var (first, second) = (pool.Rent(), pool.Rent());
        var waiting = pool.WhenAllReturnedAsync(Limit);
        first.Dispose();
        Assert.False(waiting.IsCompleted);
        second.Dispose();
        await waiting.WaitAsync(Limit, TimeProvider.System);
    }

    [Fact]
    public async Task Waits_no_longer_than_the_timeout_and_names_what_is_out()
    {
        var time = new FakeTimeProvider();
        using var pool = new LeakCheckingMemoryPool(blockSizeInBytes: 32);
        var block = pool.Rent();
        var waiting = pool.WhenAllReturnedAsync(TimeSpan.FromSeconds(5), time);
        time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.False(waiting.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.2));
        var thrown = await Assert.ThrowsAsync<BufferViolationException>(() => waiting.WaitAsync(Limit, TimeProvider.System));
        Assert.Equal("Block 1 of 32 bytes was not returned.", thrown.Message);
        block.Dispose();
    }

    [Fact]
    public async Task Serves_many_threads()
    {
        using var pool = new LeakCheckingMemoryPool(blockSizeInBytes: 8);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (int i = 0; i < 20_000; i++)
            {
                using var block = pool.Rent();
                block.Memory.Span.Clear();
            }
        })));
        Assert.Equal(0, pool.Rented);
        Assert.InRange(pool.MaxRented, 1, 4);
    }

    [Fact]
    public async Task Finds_one_of_two_threads_that_return_the_same_block()
    {
        var pool = new LeakCheckingMemoryPool();
        int refused = 0;
        for (int i = 0; i < 200; i++)
        {
            var block = pool.Rent();
            await Task.WhenAll(Task.Run(Return), Task.Run(Return));

            void Return()
            {
                try
                {
                    block.Dispose();
                }
                catch (BufferViolationException)
                {
                    Interlocked.Increment(ref refused);
                }
            }
        }

        Assert.Equal(200, refused);
        Assert.Equal(200, Assert.Throws<BufferViolationException>(pool.Dispose).Violations.Count);
    }
}
