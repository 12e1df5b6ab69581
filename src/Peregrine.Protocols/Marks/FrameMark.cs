using System.Buffers;

namespace Peregrine.Protocols.Marks;

/// <summary>Finds frames between marks of one byte, which is nowhere in a frame. Marks behind one another have no frame between them.</summary>
internal readonly struct FrameMark
{
    /// <summary>A byte, and the marks.</summary>
    public const int FewestBytes = 3;

    private readonly byte _mark;

    public FrameMark(byte mark, int maxMessageSizeInBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxMessageSizeInBytes, FewestBytes);
        _mark = mark;
        MaxMessageSizeInBytes = maxMessageSizeInBytes;
    }

    /// <summary>With a mark on both sides, whether or not the first one is there.</summary>
    public int MaxMessageSizeInBytes { get; }

    /// <summary>Takes the first frame, without its marks; it is not empty.</summary>
    /// <returns>False if there is none; there may be one nevertheless if marks were skipped.</returns>
    /// <exception cref="MessageTooLargeException">It is, and is skipped if its end is there.</exception>
    public bool TryTake(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> frame)
    {
        frame = default;
        if (input.IsSingleSegment
            && TryFind(input.FirstSpan, examined.Equals(input.Start) ? 0 : (int)input.Slice(0, examined).Length, out var first, out var length))
        {
            frame = input.Slice(first, length);
            consumed = input.GetPosition(first + length + 1);
            ThrowIfTooLarge(length);
            return true;
        }

        var marks = CountMarks(input);
        if (marks > 1)
        {
            // No more than one counts as a part of a frame: they are skipped apart from it.
            consumed = examined = input.GetPosition(marks);
            return false;
        }

        // What begins with a mark was not looked at before.
        var start = input.GetPosition(marks);
        if (input.Slice(marks == 0 ? examined : start).PositionOf(_mark) is not { } end)
        {
            if (marks == 0)
            {
                ThrowIfTooLarge(input.Length);
            }

            consumed = start;
            examined = input.End;
            return false;
        }

        frame = input.Slice(start, end);
        consumed = input.GetPosition(1, end);
        ThrowIfTooLarge(frame.Length);
        return true;
    }

    /// <summary>Writes what is in front of a frame, which has no fewer bytes than its message.</summary>
    public void Begin(long messageLength, IBufferWriter<byte> output)
    {
        if (messageLength == 0)
        {
            throw new MessageFormatException("An empty message is no frame: there is nothing between its marks.");
        }

        // Before it is written in vain.
        ThrowIfTooLarge(messageLength);
        output.Write([_mark]);
    }

    /// <summary>Writes what is behind a frame of so many bytes.</summary>
    public void End(long frameLength, IBufferWriter<byte> output)
    {
        ThrowIfTooLarge(frameLength);
        output.Write([_mark]);
    }

    /// <param name="frameLength">Of what is between the marks.</param>
    public void ThrowIfTooLarge(long frameLength)
    {
        if (frameLength + 2 > MaxMessageSizeInBytes)
        {
            throw new MessageTooLargeException(frameLength + 2, MaxMessageSizeInBytes);
        }
    }

    /// <summary>The way that most frames take: no more than one mark in front, and one behind, in one segment.</summary>
    /// <param name="bytes">All of them.</param>
    /// <param name="looked">So many of them have no mark behind a frame.</param>
    /// <param name="start">Of the frame.</param>
    /// <param name="length">Of the frame.</param>
    private bool TryFind(ReadOnlySpan<byte> bytes, int looked, out int start, out int length)
    {
        start = bytes[0] == _mark ? 1 : 0;
        looked = Math.Max(looked, start);
        var end = bytes[looked..].IndexOf(_mark);
        length = looked + end - start;
        return end >= 0 && length > 0;
    }

    private long CountMarks(scoped in ReadOnlySequence<byte> input)
    {
        var count = 0L;
        foreach (var segment in input)
        {
            var other = segment.Span.IndexOfAnyExcept(_mark);
            if (other >= 0)
            {
                return count + other;
            }

            count += segment.Length;
        }

        return count;
    }
}
