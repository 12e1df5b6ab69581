using System.Buffers;

namespace Peregrine.Protocols.Tests;

/// <summary>Sequences of several segments.</summary>
internal sealed class Segments : ReadOnlySequenceSegment<byte>
{
    private Segments(ReadOnlyMemory<byte> memory, long runningIndex)
    {
        Memory = memory;
        RunningIndex = runningIndex;
    }

    /// <param name="bytes">All of them.</param>
    /// <param name="ends">Where the segments end, but the last one.</param>
    public static ReadOnlySequence<byte> Of(ReadOnlyMemory<byte> bytes, params ReadOnlySpan<int> ends)
    {
        var first = new Segments(bytes[..(ends.IsEmpty ? bytes.Length : ends[0])], 0);
        var last = first;
        for (var i = 0; i < ends.Length; i++)
        {
            var next = new Segments(bytes[ends[i]..(i + 1 < ends.Length ? ends[i + 1] : bytes.Length)], ends[i]);
            last.Next = next;
            last = next;
        }

        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }
}
