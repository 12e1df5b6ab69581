using System.Buffers;
using System.IO.Pipelines;

namespace Peregrine.Fuzz.Protocols;

/// <summary>
/// Bytes that come in one read of several segments, or in several reads. Each read has them at another place in memory, and wipes them where they were: what is kept of
/// the one before is worth nothing, as with real inputs.
/// </summary>
/// <param name="bytes">All of them.</param>
/// <param name="isOneRead">The places divide segments, and the end comes with the last one. Otherwise they divide reads, and the end comes alone.</param>
/// <param name="places">In their order, none at an end.</param>
internal sealed class CutInput(byte[] bytes, bool isOneRead, params int[] places) : PipeReader
{
    private ReadOnlySequence<byte> _given;
    private byte[] _copy = [];
    private int _consumed;
    private int _part;

    public override bool TryRead(out ReadResult result)
    {
        Array.Fill(_copy, (byte)0xEE);
        _part++;
        var end = !isOneRead && _part <= places.Length ? places[_part - 1] : bytes.Length;
        _copy = bytes[_consumed..end];
        _given = isOneRead ? Cut(_copy, places.Where(place => place > _consumed).Select(place => place - _consumed)) : new ReadOnlySequence<byte>(_copy);
        result = new ReadResult(_given, isCanceled: false, isCompleted: isOneRead || _part > places.Length + 1);
        return true;
    }

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        TryRead(out var result);
        return new ValueTask<ReadResult>(result);
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        // Positions of another read, or in the wrong order, throw.
        _ = _given.Slice(consumed, examined);
        _consumed += (int)_given.Slice(_given.Start, consumed).Length;
    }

    public override void CancelPendingRead()
    {
    }

    public override void Complete(Exception? exception = null)
    {
    }

    private static ReadOnlySequence<byte> Cut(byte[] bytes, IEnumerable<int> places)
    {
        Segment? first = null, last = null;
        var start = 0;
        foreach (var place in places.Append(bytes.Length))
        {
            last = new Segment(bytes.AsMemory(start..place), last);
            first ??= last;
            start = place;
        }

        return new ReadOnlySequence<byte>(first!, 0, last!, last!.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? before)
        {
            Memory = memory;
            if (before is not null)
            {
                RunningIndex = before.RunningIndex + before.Memory.Length;
                before.Next = this;
            }
        }
    }
}
