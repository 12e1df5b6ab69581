using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Time.Testing;

namespace Peregrine.Sockets.Tests.Buffers;

public sealed partial class PinnedMemoryPoolTests
{
    // Each core caches 16 blocks of 16 KiB, from two slabs of 1 MiB if the thread came to the core at the end of one.
    private static readonly long s_mostCached = Environment.ProcessorCount * (2L << 20);

    private static volatile bool s_shared;

    private readonly FakeTimeProvider _clock = new();

    [Theory]
    [InlineData(-1, 4096)]
    [InlineData(0, 4096)]
    [InlineData(1, 4096)]
    [InlineData(4096, 4096)]
    [InlineData(4097, 16384)]
    [InlineData(16384, 16384)]
    [InlineData(16385, 65536)]
    [InlineData(65536, 65536)]
    [InlineData(65537, 262144)]
    [InlineData(262144, 262144)]
    public void A_block_is_the_smallest_that_is_large_enough(int asked, int given)
    {
        var pool = Pool();
        using var block = pool.Rent(asked);
        Assert.Equal(given, block.Memory.Length);
        Assert.Equal(given, pool.RentedBytes);
    }

    [Theory]
    [InlineData(-2)]
    [InlineData(262145)]
    public void What_is_out_of_range_is_refused_by_name(int asked) =>
        Assert.Equal("minBufferSize", Assert.Throws<ArgumentOutOfRangeException>(() => Pool().Rent(asked)).ParamName);

    [Fact]
    public void A_negative_bound_is_refused_by_name() =>
        Assert.Contains(
            nameof(PinnedMemoryPoolOptions.MaxRetainedBytes),
            Assert.Throws<ArgumentOutOfRangeException>(() => Pool(maxRetainedBytes: -1)).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Every_block_begins_on_a_page_and_none_overlaps_another()
    {
        var pool = Pool();
        var blocks = Enumerable.Range(0, 600).Select(_ => pool.Rent(4096)).ToList();
        var addresses = blocks.Select(block => AddressOf(block.Memory)).Order().ToList();
        Assert.All(addresses, address => Assert.Equal(0, address % Environment.SystemPageSize));
        Assert.All(addresses.Zip(addresses.Skip(1)), pair => Assert.True(pair.Second - pair.First >= 4096));
        blocks.ForEach(block => block.Dispose());
        Assert.Equal(0, pool.RentedBytes);
    }

    [Fact]
    public void A_block_that_is_disposed_twice_is_returned_once()
    {
        var pool = Pool();
        var block = pool.Rent(4096);
        block.Dispose();
        block.Dispose();
        Assert.Equal(0, pool.RentedBytes);
        using var first = pool.Rent(4096);
        using var second = pool.Rent(4096);
        Assert.NotEqual(AddressOf(first.Memory), AddressOf(second.Memory));
    }

    [Fact]
    public void Renting_and_returning_allocate_nothing()
    {
        var pool = Pool();
        pool.Rent(16384).Dispose();
        pool.Rent(4096).Dispose();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10_000; i++)
        {
            pool.Rent(16384).Dispose();
            pool.Rent(4096).Dispose();
        }

        // A thread that moves to another core finds that core's cache empty, once; 20,000 objects would be half a megabyte at least.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 40_000);
    }

    [Fact]
    public void Threads_never_hold_the_same_block()
    {
        var pool = Pool();
        var threads = Enumerable.Range(1, 8).Select(tag => new Thread(() => RentAndCheck(pool, (byte)tag)) { IsBackground = true }).ToList();
        threads.ForEach(thread => thread.Start());
        Assert.All(threads, thread => Assert.True(thread.Join(TestTimeout.Limit)));
        Assert.False(s_shared, "Two threads held the same block.");
        Assert.Equal(0, pool.RentedBytes);
    }

    [Fact]
    public void A_burst_is_given_back_when_it_has_lain_unused()
    {
        var pool = Pool();
        RentAtOnce(pool, 4096, 16 * 1024).ForEach(block => block.Dispose());
        var allocated = pool.AllocatedBytes;
        Beat(seconds: 10);
        Assert.True(allocated >= 4096 * 16 * 1024);
        Assert.InRange(pool.AllocatedBytes, 0, s_mostCached);
    }

    [Fact]
    public void What_is_in_use_again_and_again_stays()
    {
        var pool = Pool();
        RentAtOnce(pool, 1024, 16 * 1024).ForEach(block => block.Dispose());
        var allocated = pool.AllocatedBytes;
        for (var i = 0; i < 20; i++)
        {
            RentAtOnce(pool, 1024, 16 * 1024).ForEach(block => block.Dispose());
            Beat(seconds: 1);
        }

        // A thread that moves to another core leaves some behind in the cache of the last, and takes new ones instead.
        Assert.InRange(pool.AllocatedBytes, allocated, allocated + s_mostCached);
    }

    [Fact]
    public void Beyond_the_bound_nothing_is_retained()
    {
        var pool = Pool(maxRetainedBytes: 0);
        RentAtOnce(pool, 1024, 16 * 1024).ForEach(block => block.Dispose());
        Assert.InRange(pool.AllocatedBytes, 0, s_mostCached);
    }

    [LinuxFact]
    public void Memory_goes_back_even_while_a_block_of_each_slab_is_in_use()
    {
        const int Burst = 256 << 20;
        var pool = Pool(maxRetainedBytes: 4L * Burst);
        var blocks = RentAtOnce(pool, Burst / 16384, 16384);
        var used = blocks.Where((_, i) => i % 64 == 0).ToList();
        used.ForEach(block => block.Memory.Span.Fill(42));
        blocks.Except(used).ToList().ForEach(block => block.Dispose());
        Assert.InRange(ResidentBytes(blocks), Burst / 2, Burst); // Less where the system swaps.
        Beat(seconds: 10);
        Assert.InRange(ResidentBytes(blocks), 0, (used.Count * 16384) + s_mostCached);
        Assert.All(used, block => Assert.False(block.Memory.Span.ContainsAnyExcept((byte)42)));
        used.ForEach(block => block.Dispose());
    }

    private static void RentAndCheck(PinnedMemoryPool pool, byte tag)
    {
        var random = new Random(tag);
        var held = new List<IMemoryOwner<byte>>();
        for (var i = 0; i < 20_000; i++)
        {
            if (held.Count == 40 || (held.Count > 0 && random.Next(2) == 0))
            {
                var block = held[^1];
                held.RemoveAt(held.Count - 1);
                s_shared |= block.Memory.Span[0] != tag || block.Memory.Span[^1] != tag;
                block.Dispose();
            }
            else
            {
                var block = pool.Rent(random.Next(1, 20_000));
                block.Memory.Span[0] = tag;
                block.Memory.Span[^1] = tag;
                held.Add(block);
            }
        }

        held.ForEach(block => block.Dispose());
    }

    private static List<IMemoryOwner<byte>> RentAtOnce(PinnedMemoryPool pool, int count, int sizeInBytes)
    {
        var blocks = Enumerable.Range(0, count).Select(_ => pool.Rent(sizeInBytes)).ToList();
        blocks.ForEach(block => block.Memory.Span.Fill(1));
        return blocks;
    }

    /// <summary>Of these blocks alone: other tests run beside this one.</summary>
    private static long ResidentBytes(List<IMemoryOwner<byte>> blocks)
    {
        var pages = new byte[16384 / Environment.SystemPageSize];
        return blocks.Sum(block =>
        {
            Assert.Equal(0, ResidentPages(AddressOf(block.Memory), 16384, pages));
            return pages.Count(page => (page & 1) != 0) * (long)Environment.SystemPageSize;
        });
    }

    // mincore(2)
    [LibraryImport("libc", EntryPoint = "mincore", SetLastError = true)]
    private static partial int ResidentPages(nint address, nuint length, byte[] pages);

    private static nint AddressOf(Memory<byte> memory)
    {
        Assert.True(MemoryMarshal.TryGetArray<byte>(memory, out var array));
        return Marshal.UnsafeAddrOfPinnedArrayElement(array.Array!, array.Offset);
    }

    private PinnedMemoryPool Pool(long maxRetainedBytes = 1 << 30) =>
        new(new PinnedMemoryPoolOptions { MaxRetainedBytes = maxRetainedBytes, TimeProvider = _clock });

    private void Beat(int seconds)
    {
        for (var i = 0; i < seconds; i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
        }
    }
}
