using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Buffers;

/// <summary>
/// A pinned array that is cut into blocks of one size, each on pages of its own, so that the memory of a block can be given back while its
/// neighbours are in use. Every member is called under the lock of its class.
/// </summary>
internal sealed class BlockSlab
{
    public const int SizeInBytes = 1 << 20;

    private readonly Stack<PinnedBlock> _cold;
    private readonly int _blocks;

    public BlockSlab(BlockClass owner, int blockSizeInBytes)
    {
        Class = owner;
        _blocks = SizeInBytes / blockSizeInBytes;
        _cold = new Stack<PinnedBlock>(_blocks);
        var page = Environment.SystemPageSize;
        var array = GC.AllocateUninitializedArray<byte>(SizeInBytes + page, pinned: true);
        var offset = (int)(-Marshal.UnsafeAddrOfPinnedArrayElement(array, 0) & (page - 1));
        for (var i = 0; i < _blocks; i++)
        {
            _cold.Push(new PinnedBlock(this, MemoryMarshal.CreateFromPinnedArray(array, offset + (i * blockSizeInBytes), blockSizeInBytes)));
        }
    }

    public BlockClass Class { get; }

    public bool HasCold => _cold.Count > 0;

    /// <summary>No block of it is in use or ready for use.</summary>
    public bool IsCold => _cold.Count == _blocks;

    /// <summary>A block whose memory the kernel provides when it is touched.</summary>
    public PinnedBlock TakeCold() => _cold.Pop();

    public void AddCold(PinnedBlock block) => _cold.Push(block);
}
