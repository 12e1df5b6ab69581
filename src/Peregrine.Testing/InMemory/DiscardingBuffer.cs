using System.Buffers;

namespace Peregrine.Testing;

/// <summary>Memory for a writer that nobody reads: one block at a time, given back at the next flush.</summary>
internal sealed class DiscardingBuffer(MemoryPool<byte> pool, int blockSizeInBytes)
{
    private IMemoryOwner<byte>? _block;
    private int _used;

    public long UnflushedBytes { get; private set; }

    public Memory<byte> GetMemory(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        if (_block is null || _block.Memory.Length - _used < Math.Max(1, sizeHint))
        {
            _block?.Dispose();
            _block = pool.Rent(Math.Max(sizeHint, blockSizeInBytes));
            _used = 0;
        }

        return _block.Memory[_used..];
    }

    public void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, _block is null ? 0 : _block.Memory.Length - _used);
        _used += bytes;
        UnflushedBytes += bytes;
    }

    public void Clear()
    {
        var block = _block;
        _block = null;
        _used = 0;
        UnflushedBytes = 0;
        block?.Dispose();
    }
}
