using System.Buffers;
using System.Runtime.CompilerServices;

namespace Peregrine.Protocols;

/// <summary>
/// The beginning of what was read, where it is in its first segment, as nearly always: the compiler inlines the constructor of a sequence, and neither its Slice nor its
/// GetPosition.
/// </summary>
internal static class SequenceParts
{
    /// <summary>A part that is wholly in the first segment, and the position behind the frame that it is in.</summary>
    /// <param name="input">What was read.</param>
    /// <param name="from">Where the part begins.</param>
    /// <param name="to">Where it ends.</param>
    /// <param name="size">Where the frame ends: not behind the first segment.</param>
    /// <param name="part">The part. Not returned: a sequence that is written and copied at once waits for its fields to be stored.</param>
    /// <param name="end">Behind the frame.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Take(scoped in ReadOnlySequence<byte> input, int from, int to, int size, out ReadOnlySequence<byte> part, scoped ref SequencePosition end)
    {
        var start = input.Start;
        if (start.GetObject() is ReadOnlySequenceSegment<byte> segment)
        {
            var index = start.GetInteger();
            part = new ReadOnlySequence<byte>(segment, index + from, segment, index + to);
            end = new SequencePosition(segment, index + size);
        }
        else
        {
            part = input.Slice(from, to - from);
            end = input.GetPosition(size);
        }
    }
}
