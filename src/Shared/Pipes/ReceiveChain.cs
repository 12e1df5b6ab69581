using System.Buffers;

namespace Peregrine;

/// <summary>What a reader has received and its application has not consumed: a chain of blocks, of which the last has room for more.</summary>
internal struct ReceiveChain
{
    private BufferSegment? _head;
    private BufferSegment? _tail;
    private long _unexamined;
    private long _length;
    private long _kept;

    public readonly bool HasUnexamined => _unexamined > 0;

    /// <summary>Bytes that are not consumed. May be read from any thread, and is a little old then.</summary>
    public readonly long Length => _length;

    /// <summary>The size of the blocks, of which one unread byte keeps one. May be read from any thread, and is a little old then.</summary>
    public readonly long Kept => _kept;

    public readonly ReadOnlySequence<byte> Bytes => _head is null ? default : new ReadOnlySequence<byte>(_head, _head.Start, _tail!, _tail!.End);

    /// <summary>
    /// Where to receive: the last block, or, if it has less room than that, a new one of a size, which belongs to the chain once bytes are in it.
    /// </summary>
    public BufferSegment Room(MemoryPool<byte> pool, int leastRoomInBytes, int sizeInBytes)
    {
        if (_tail is { } tail && tail.FreeLength >= leastRoomInBytes)
        {
            return tail;
        }

        return BufferSegment.Rent(pool, Math.Min(sizeInBytes, pool.MaxBufferSize));
    }

    /// <summary>Takes note of what was received into the <see cref="Room"/>; a new block without any goes back to the pool.</summary>
    public void Received(BufferSegment segment, int bytes)
    {
        if (bytes == 0)
        {
            if (segment != _tail)
            {
                segment.Return();
            }

            return;
        }

        segment.Fill(bytes);
        if (segment != _tail)
        {
            _tail?.Append(segment);
            _head ??= segment;
            _tail = segment;
            _kept += segment.BlockLength;
        }

        _unexamined += bytes;
        _length += bytes;
    }

    /// <summary>
    /// Takes a block that was received into elsewhere. What the last block has room for is copied there: bytes that come singly must not keep
    /// a block each.
    /// </summary>
    public void Append(BufferSegment segment, int bytes)
    {
        if (_tail is { } tail && tail.FreeLength >= bytes)
        {
            segment.Free.Span[..bytes].CopyTo(tail.Free.Span);
            segment.Return();
            segment = tail;
        }

        Received(segment, bytes);
    }

    /// <exception cref="InvalidOperationException">A position is none of this chain, or consumed is behind examined.</exception>
    public void Advance(SequencePosition consumed, SequencePosition examined)
    {
        if (_head is null || consumed.GetObject() is null)
        {
            return;
        }

        var consumedAt = AbsoluteOf(consumed);
        var examinedAt = AbsoluteOf(examined);
        if (consumedAt < StartOf(_head) || examinedAt > EndOf(_tail!) || examinedAt < consumedAt)
        {
            throw new InvalidOperationException(
                "AdvanceTo takes positions of the last read's buffer, and what is consumed must also be examined.");
        }

        _unexamined = EndOf(_tail!) - examinedAt;
        _length = EndOf(_tail!) - consumedAt;
        while (_head is { } head)
        {
            if (consumedAt < EndOf(head))
            {
                head.Consume((int)(consumedAt - head.RunningIndex) - head.Start);
                return;
            }

            _kept -= head.BlockLength;
            _head = head.Return();
        }

        _tail = null;
    }

    /// <summary>Gives every block back.</summary>
    public void Return()
    {
        var head = _head;
        _head = null;
        _tail = null;
        _unexamined = 0;
        _length = 0;
        _kept = 0;
        BufferSegment.ReturnAll(head);
    }

    private static long StartOf(BufferSegment segment) => segment.RunningIndex + segment.Start;

    private static long EndOf(BufferSegment segment) => segment.RunningIndex + segment.End;

    private static long AbsoluteOf(SequencePosition position) =>
        position.GetObject() is BufferSegment segment
            ? segment.RunningIndex + position.GetInteger()
            : throw new InvalidOperationException("AdvanceTo takes positions of the last read's buffer.");
}
