using System.Buffers;
using Peregrine.Protocols.Delimiters;

namespace Peregrine.Protocols;

/// <summary>
/// Messages that end with a delimiter. A message is a view over what is in front of it (or with it, see <see cref="DelimiterOptions.KeepsDelimiter"/>), and may be
/// empty. For lines there is <see cref="LineReader"/>.
/// </summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class DelimiterReader : IMessageReader<ReadOnlySequence<byte>>
{
    private readonly DelimiterSet _delimiters;

    /// <param name="options">Read once.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public DelimiterReader(DelimiterOptions options) => _delimiters = new DelimiterSet(options);

    /// <inheritdoc/>
    public int MaxMessageSizeInBytes => _delimiters.MaxSize;

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
    {
        // Most messages are in one segment, and come whole.
        if (examined.Equals(input.Start) && _delimiters.Find(input.FirstSpan) is { Length: > 0, Index: >= 0 } found)
        {
            SequenceParts.Take(input, 0, found.Index + (_delimiters.KeepsDelimiter ? found.Length : 0), found.Index + found.Length, out message, ref consumed);
            return true;
        }

        var length = Find(input, ref examined, isAll: false);
        if (length == 0)
        {
            // What was looked at is in front of a delimiter, if one comes.
            if (!_delimiters.EndOfInputEndsMessage && LengthTo(input, examined) > _delimiters.MaxSize - _delimiters.Shortest)
            {
                throw new MessageTooLargeException(input.Length, _delimiters.MaxSize);
            }

            message = default;
            return false;
        }

        message = Take(input, examined, length, ref consumed);
        return true;
    }

    /// <inheritdoc/>
    public bool TryParseLast(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, out ReadOnlySequence<byte> message)
    {
        // A delimiter with which a longer one might have begun.
        var place = input.Start;
        var length = Find(input, ref place, isAll: true);
        if (length > 0)
        {
            message = Take(input, place, length, ref consumed);
            return true;
        }

        message = _delimiters.EndOfInputEndsMessage ? input : default;
        consumed = _delimiters.EndOfInputEndsMessage ? input.End : consumed;
        return _delimiters.EndOfInputEndsMessage;
    }

    private static long LengthTo(in ReadOnlySequence<byte> input, SequencePosition position) => input.GetOffset(position) - input.GetOffset(input.Start);

    private ReadOnlySequence<byte> Take(in ReadOnlySequence<byte> input, SequencePosition place, int length, scoped ref SequencePosition consumed)
    {
        consumed = input.GetPosition(length, place);
        return input.Slice(input.Start, _delimiters.KeepsDelimiter ? consumed : place);
    }

    /// <summary>Searches from a place, and moves it to the first one where a delimiter begins, or may begin; or to the end.</summary>
    /// <returns>The delimiter's length. 0 if there is none, or it is not known.</returns>
    private int Find(in ReadOnlySequence<byte> input, scoped ref SequencePosition place, bool isAll)
    {
        Span<byte> copy = stackalloc byte[DelimiterSet.LongestInBytes];
        var next = place;
        for (var current = next; input.TryGet(ref next, out var segment); current = next)
        {
            var span = segment.Span;
            for (var from = 0; _delimiters.Find(span[from..]) is { Index: var index and >= 0, Length: var length };)
            {
                index += from;
                place = input.GetPosition(index, current);
                if (length == 0)
                {
                    // It is cut off by the segment's end, or by that of all.
                    var rest = input.Slice(place);
                    rest = rest.Slice(0, Math.Min(rest.Length, _delimiters.Longest));
                    rest.CopyTo(copy);
                    var atStart = _delimiters.FindAtStart(copy[..(int)rest.Length], isAll);
                    if (atStart.Index < 0)
                    {
                        from = index + 1;
                        continue;
                    }

                    length = atStart.Length;
                }

                return length;
            }
        }

        place = input.End;
        return 0;
    }
}
