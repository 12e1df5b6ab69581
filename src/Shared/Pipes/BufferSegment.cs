using System.Buffers;
using System.Diagnostics;

namespace Peregrine;

/// <summary>A rented block in a chain: <c>[Start, End)</c> holds bytes, what follows is free.</summary>
internal sealed class BufferSegment : ReadOnlySequenceSegment<byte>
{
    private const int MostSpares = 64;

    // Of a thread, and not of a connection: an idle one would keep its own.
    [ThreadStatic]
    private static BufferSegment? t_spares;
    [ThreadStatic]
    private static int t_spareCount;

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

    /// <summary>A segment with a block of at least that size.</summary>
    public static BufferSegment Rent(MemoryPool<byte> pool, int sizeInBytes)
    {
        // A pool may have a largest size; what it cannot give comes from one that can.
        var owner = (sizeInBytes <= pool.MaxBufferSize ? pool : MemoryPool<byte>.Shared).Rent(sizeInBytes);
        var segment = TakeSpare();
        segment._owner = owner;
        segment._block = owner.Memory;
        segment.Memory = segment._block;
        return segment;
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

    /// <summary>Gives the block back, and the segment too, which is anybody's from here on. Returns what followed.</summary>
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
        if (t_spareCount < MostSpares)
        {
            t_spareCount++;
            NextSegment = t_spares;
            t_spares = this;
        }

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

    private static BufferSegment TakeSpare()
    {
        if (t_spares is not { } spare)
        {
            return new BufferSegment();
        }

        t_spares = spare.NextSegment;
        t_spareCount--;
        spare.NextSegment = null;
        return spare;
    }
}
