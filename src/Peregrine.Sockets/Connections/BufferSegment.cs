using System.Buffers;
using System.Diagnostics;

namespace Peregrine.Sockets.Connections;

/// <summary>A rented block in a chain: <c>[Start, End)</c> holds bytes, what follows is free.</summary>
internal sealed class BufferSegment : ReadOnlySequenceSegment<byte>
{
    private IMemoryOwner<byte>? _owner;
    private Memory<byte> _block;

    public BufferSegment? NextSegment { get; private set; }

    public int Start { get; private set; }

    public int End { get; private set; }

    public int Length => End - Start;

    public int BlockLength => _block.Length;

    public Memory<byte> Free => _block[End..];

    public int FreeLength => _block.Length - End;

    public ReadOnlyMemory<byte> Unsent => _block[Start..End];

    public ReadOnlyMemory<byte> UnsentUpTo(int bytes) => _block.Slice(Start, Math.Min(Length, bytes));

    public void Rent(MemoryPool<byte> pool, int sizeInBytes)
    {
        Debug.Assert(_owner is null);

        // A pool may have a largest size; what it cannot give comes from one that can.
        _owner = (sizeInBytes <= pool.MaxBufferSize ? pool : MemoryPool<byte>.Shared).Rent(sizeInBytes);
        _block = _owner.Memory;
        Memory = _block;
    }

    public void Fill(int bytes)
    {
        Debug.Assert((uint)bytes <= (uint)FreeLength);
        End += bytes;
    }

    public void Consume(int bytes)
    {
        Debug.Assert((uint)bytes <= (uint)Length);
        Start += bytes;
    }

    /// <summary>Links the next segment; from now on this one takes no more bytes.</summary>
    public void Append(BufferSegment next)
    {
        Debug.Assert(NextSegment is null);

        // A reader that walks the chain takes all of a segment's memory, so it must end where the bytes end.
        Memory = _block[..End];
        NextSegment = next;
        Next = next;
        next.RunningIndex = RunningIndex + End;
    }

    /// <summary>Gives the block back and makes the segment ready to be used again. Returns what followed.</summary>
    public BufferSegment? Return()
    {
        var next = NextSegment;
        var owner = _owner!;
        _owner = null;
        _block = default;
        Memory = default;
        NextSegment = null;
        Next = null;
        RunningIndex = 0;
        Start = 0;
        End = 0;
        owner.Dispose();
        return next;
    }

    /// <summary>Gives back the blocks of a whole chain.</summary>
    public static void ReturnAll(BufferSegment? segment)
    {
        while (segment is not null)
        {
            segment = segment.Return();
        }
    }
}
