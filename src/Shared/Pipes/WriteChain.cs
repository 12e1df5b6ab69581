using System.Buffers;

namespace Peregrine;

/// <summary>What a <see cref="WriteChain"/> takes its blocks from: each that follows another is four times its size, between these two.</summary>
internal sealed record WriteBlocks(MemoryPool<byte> Pool, int SmallestInBytes, int LargestInBytes);

/// <summary>What an application has written and not flushed: a chain of blocks, of which the last has room for more.</summary>
internal struct WriteChain
{
    private BufferSegment? _head;
    private BufferSegment? _tail;

    public long Length { get; private set; }

    public readonly bool HasBlocks => _head is not null;

    /// <summary>Whether the last block has room for as many bytes, and one at least.</summary>
    public readonly bool HasRoom(int sizeInBytes) => _tail is not null && _tail.FreeLength >= Math.Max(sizeInBytes, 1);

    /// <summary>A block with room for as many bytes, and one at least.</summary>
    public BufferSegment Room(WriteBlocks blocks, int sizeInBytes)
    {
        var tail = _tail;
        if (HasRoom(sizeInBytes))
        {
            return tail!;
        }

        var segment = BufferSegment.Rent(blocks.Pool, Math.Max(sizeInBytes, Math.Min(NextSize(blocks), blocks.Pool.MaxBufferSize)));
        if (tail is { Length: 0 } && _head == tail)
        {
            // Nothing was written to it: the larger block takes its place.
            _head = null;
            _tail = null;
            tail.Return();
        }

        _tail?.Append(segment);
        _head ??= segment;
        _tail = segment;
        return segment;
    }

    /// <exception cref="ArgumentOutOfRangeException">More than the last block has room for.</exception>
    public void Advance(int bytes)
    {
        if (bytes < 0 || bytes > (_tail?.FreeLength ?? 0))
        {
            throw new ArgumentOutOfRangeException(nameof(bytes), bytes, "Advance takes at most what GetMemory or GetSpan gave.");
        }

        _tail?.Fill(bytes);
        Length += bytes;
    }

    public void Copy(WriteBlocks blocks, ReadOnlySpan<byte> source)
    {
        while (source.Length > 0)
        {
            var free = Room(blocks, 1).Free.Span;
            var count = Math.Min(free.Length, source.Length);
            source[..count].CopyTo(free);
            Advance(count);
            source = source[count..];
        }
    }

    /// <summary>The first block that has something to send; what is in front of it goes back to the pool. Null if nothing is left.</summary>
    public BufferSegment? Next()
    {
        while (_head is { Length: 0 } head)
        {
            _head = head.Return();
        }

        if (_head is null)
        {
            _tail = null;
            Length = 0;
        }

        return _head;
    }

    /// <summary>Takes sent bytes off the front.</summary>
    public void Consume(int bytes)
    {
        Length -= bytes;
        for (var segment = _head; bytes > 0; segment = segment.NextSegment)
        {
            var count = Math.Min(segment!.Length, bytes);
            segment.Consume(count);
            bytes -= count;
        }
    }

    /// <summary>Empties the chain without giving its blocks back: they are the caller's.</summary>
    public (BufferSegment First, BufferSegment Last) Take()
    {
        var taken = (_head!, _tail!);
        _head = null;
        _tail = null;
        Length = 0;
        return taken;
    }

    /// <summary>Gives every block back.</summary>
    public void Return()
    {
        var head = _head;
        _head = null;
        _tail = null;
        Length = 0;
        BufferSegment.ReturnAll(head);
    }

    // Much is written in few blocks, little in a small one.
    private readonly int NextSize(WriteBlocks blocks) =>
        _tail is null ? blocks.SmallestInBytes : Math.Clamp(_tail.BlockLength * 4, blocks.SmallestInBytes, blocks.LargestInBytes);
}
