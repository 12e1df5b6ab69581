using System.Buffers;

namespace Peregrine.Sockets.Buffers;

/// <summary>A block of a slab, and its own owner: renting it again allocates nothing.</summary>
internal sealed class PinnedBlock : IMemoryOwner<byte>
{
    private int _isRented;

    public PinnedBlock(BlockSlab slab, Memory<byte> memory)
    {
        Slab = slab;
        Memory = memory;
    }

    public BlockSlab Slab { get; }

    public Memory<byte> Memory { get; }

    public PinnedBlock Rented()
    {
        Volatile.Write(ref _isRented, 1);
        return this;
    }

    /// <summary>Returns it to the pool. A second call does nothing, unless the block has been rented again meanwhile.</summary>
    public void Dispose()
    {
        // Two threads that dispose at once must not put the block into the pool twice: two connections would write to it.
        if (Interlocked.Exchange(ref _isRented, 0) == 1)
        {
            Slab.Class.Return(this);
        }
    }
}
