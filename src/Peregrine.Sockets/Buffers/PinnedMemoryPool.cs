using System.Buffers;
using System.Numerics;
using Peregrine.Sockets.Buffers;
using Peregrine.Sockets.Time;

namespace Peregrine.Sockets;

/// <summary>
/// A pool of pinned blocks of 4, 16, 64 and 256 KiB. Renting and returning allocate nothing; each core has a few blocks of its own. Blocks
/// that have lain unused for 5 to 10 seconds are given back to the system.
/// </summary>
/// <remarks>
/// <para>Safe to use from any thread. A block is not cleared, neither when it is rented nor when it is returned.</para>
/// <para>
/// The owner that <see cref="Rent"/> returns is the block itself, and is used again by the next who rents it: it must be disposed once, and
/// neither it nor its memory may be used afterwards. <c>Peregrine.Testing.LeakCheckingMemoryPool</c> finds who does.
/// </para>
/// <para>On Linux the memory goes back by madvise(2) at once; elsewhere a garbage collection is needed, and whole MiB must be free.</para>
/// </remarks>
public sealed class PinnedMemoryPool : MemoryPool<byte>, IHeartbeatListener
{
    private const int SmallestBlock = 4 * 1024;
    private const int LargestBlock = 256 * 1024;
    private const int BeatsBetweenTrims = 5;

    private readonly Heartbeat _heartbeat;
    private readonly BlockClass[] _classes;
    private int _trims;
    private int _beats;

    /// <summary>Makes a pool of its own; <see cref="Shared"/> is what the transport uses unless it is told otherwise.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public PinnedMemoryPool(PinnedMemoryPoolOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxRetainedBytes);
        _heartbeat = new Heartbeat(options.TimeProvider);

        // A core keeps at most 1 MiB in all.
        var share = options.MaxRetainedBytes / 4;
        _classes =
        [
            new(this, SmallestBlock, cachedPerCore: 32, share), new(this, 16 * 1024, cachedPerCore: 16, share),
            new(this, 64 * 1024, cachedPerCore: 4, share), new(this, LargestBlock, cachedPerCore: 1, share),
        ];
    }

    /// <summary>The pool of the process, with the default options.</summary>
    public static new PinnedMemoryPool Shared { get; } = new(new PinnedMemoryPoolOptions());

    /// <summary>The size of the largest block, in bytes: 256 KiB.</summary>
    public override int MaxBufferSize => LargestBlock;

    /// <summary>The bytes of all blocks that are rented and not returned.</summary>
    public long RentedBytes => _classes.Sum(blocks => blocks.RentedBytes);

    /// <summary>The bytes of address space that the pool has taken. Not all of it need be in memory: what was given back is not.</summary>
    public long AllocatedBytes => _classes.Sum(blocks => blocks.AllocatedBytes);

    /// <summary>Rents a block of the smallest size that holds <paramref name="minBufferSize"/> bytes.</summary>
    /// <param name="minBufferSize">At most <see cref="MaxBufferSize"/>; -1 or 0 for a block of the smallest size.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="minBufferSize"/> is below -1 or above <see cref="MaxBufferSize"/>.</exception>
    /// <exception cref="OutOfMemoryException">The system has no memory left.</exception>
    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(minBufferSize, -1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, LargestBlock);

        // The sizes are 4 KiB times powers of four.
        var log = BitOperations.Log2((uint)Math.Max(minBufferSize, SmallestBlock) - 1);
        return _classes[(log - 10) / 2].Rent();
    }

    void IHeartbeatListener.OnHeartbeat(long now)
    {
        if (++_beats % BeatsBetweenTrims != 0)
        {
            return;
        }

        foreach (var blocks in _classes)
        {
            blocks.Trim();
        }

        if (!HasWarm())
        {
            _heartbeat.Remove(this);
            Volatile.Write(ref _trims, 0);
            if (HasWarm())
            {
                // Returned since the look above, by somebody who may have seen the flag before it fell.
                TrimLater();
            }
        }
    }

    internal void TrimLater()
    {
        if (Volatile.Read(ref _trims) == 0 && Interlocked.Exchange(ref _trims, 1) == 0)
        {
            _heartbeat.Add(this);
        }
    }

    /// <summary>Does nothing: what is rented stays valid, and what is free is the garbage collector's when the pool is.</summary>
    protected override void Dispose(bool disposing)
    {
    }

    private bool HasWarm() => Array.Exists(_classes, blocks => blocks.HasWarm);
}
