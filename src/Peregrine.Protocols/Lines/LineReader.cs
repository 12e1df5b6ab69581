using System.Buffers;
using System.Numerics;
using System.Runtime.Intrinsics;
using Peregrine.Protocols.Lines;

namespace Peregrine.Protocols;

/// <summary>
/// Lines. A message is a view over a line without its end, and may be empty. For text, see <see cref="TextMessageReader"/>.
/// </summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class LineReader : IFrameFinder
{
    private readonly LineFormat _format;

    /// <param name="options">Read once. Null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public LineReader(LineOptions? options = null) => _format = new LineFormat(options ?? new LineOptions());

    /// <inheritdoc/>
    public int MaxMessageSizeInBytes => _format.MaxSize;

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
    {
        // Most lines are in one segment, and come whole.
        if (examined.Equals(input.Start))
        {
            var first = input.FirstSpan;
            var feed = first.IndexOf(LineFormat.Lf);
            while (_format.Ending == LineEnding.CrLf && feed >= 0 && (feed == 0 || first[feed - 1] != LineFormat.Cr))
            {
                var next = first[(feed + 1)..].IndexOf(LineFormat.Lf);
                feed = next < 0 ? -1 : feed + 1 + next;
            }

            if (feed >= 0)
            {
                var length = _format.Ending != LineEnding.Lf && feed > 0 && first[feed - 1] == LineFormat.Cr ? feed - 1 : feed;
                SequenceParts.Take(input, 0, length, feed + 1, out message, ref consumed);
                return true;
            }
        }

        return TryParseInParts(input, ref consumed, ref examined, out message);
    }

    /// <inheritdoc/>
    public bool TryParseLast(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, out ReadOnlySequence<byte> message)
    {
        message = _format.EndOfInputEndsLine ? input : default;
        consumed = message.IsEmpty ? consumed : input.End;
        return _format.EndOfInputEndsLine;
    }

    /// <inheritdoc/>
    int IFrameFinder.Find(ReadOnlySpan<byte> bytes, int from, Span<Frame> frames)
    {
        var lastBlock = bytes.Length - Vector512<byte>.Count;
        if (lastBlock < 0)
        {
            return 0;
        }

        // All the line feeds of a block are found at once: a search for each costs more than a short line has.
        var (count, start) = (0, from);
        for (var at = from; at < bytes.Length; at += Vector512<byte>.Count)
        {
            // Of the last block, what was looked at before is shifted out.
            var block = Math.Min(at, lastBlock);
            var feeds = FeedsIn(bytes.Slice(block, Vector512<byte>.Count)) >> (at - block);
            for (; feeds != 0; feeds &= feeds - 1)
            {
                var feed = at + BitOperations.TrailingZeroCount(feeds);
                var hasReturn = _format.Ending != LineEnding.Lf && feed > start && bytes[feed - 1] == LineFormat.Cr;
                if (_format.Ending == LineEnding.CrLf && !hasReturn)
                {
                    continue;
                }

                if (count == frames.Length || feed - start >= _format.MaxSize)
                {
                    return count;
                }

                frames[count++] = new Frame(start, hasReturn ? feed - 1 : feed, feed + 1);
                start = feed + 1;
            }
        }

        return count;
    }

    private static ulong FeedsIn(ReadOnlySpan<byte> block) =>
        Vector512.Equals(Vector512.Create(block), Vector512.Create(LineFormat.Lf)).ExtractMostSignificantBits();

    private bool TryParseInParts(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
    {
        // Where a CR belongs to an end, examined is never between it and what follows: no byte in front of it matters.
        byte last = 0;
        var next = examined;
        for (var current = next; input.TryGet(ref next, out var segment); current = next)
        {
            var span = segment.Span;
            for (var from = 0; from < span.Length;)
            {
                var feed = span[from..].IndexOf(LineFormat.Lf);
                if (feed < 0)
                {
                    last = span[^1];
                    break;
                }

                feed += from;
                last = feed > 0 ? span[feed - 1] : last;
                if (_format.Ending != LineEnding.CrLf || last == LineFormat.Cr)
                {
                    var end = input.GetPosition(feed, current);
                    message = input.Slice(input.Start, end);
                    message = _format.Ending != LineEnding.Lf && last == LineFormat.Cr ? message.Slice(0, message.Length - 1) : message;
                    consumed = input.GetPosition(1, end);
                    return true;
                }

                last = LineFormat.Lf;
                from = feed + 1;
            }
        }

        _format.ThrowIfTooLong(input.Length);
        examined = last == LineFormat.Cr && _format.Ending != LineEnding.Lf ? input.GetPosition(input.Length - 1) : input.End;
        message = default;
        return false;
    }
}
