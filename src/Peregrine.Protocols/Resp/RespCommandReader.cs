using System.Buffers;
using Peregrine.Protocols.Resp;

namespace Peregrine.Protocols;

/// <summary>
/// The commands that a client sends to a server (RESP2 and RESP3): arrays of bulk strings, and, for people at a terminal, inline commands, which are lines of words,
/// split at white space, with the quotes of Redis: <c>"…"</c> with <c>\n</c>, <c>\r</c>, <c>\t</c>, <c>\a</c>, <c>\b</c>, <c>\x41</c>, and <c>'…'</c> with <c>\'</c>.
/// Empty arrays and empty lines are skipped, and count to the size of the command behind them.
/// </summary>
/// <remarks>
/// <para>
/// It has state: one serves one connection. Of a command that comes in small parts, each argument is looked at once. Nothing is allocated, but for commands of many
/// arguments, whose places are kept in a pooled array that grows with those that are there.
/// </para>
/// <para>
/// What is wrong is said in the words of Redis, as far as it has some: a server answers <c>-ERR</c> and <see cref="Exception.Message"/>, and closes, as Redis does.
/// </para>
/// </remarks>
public sealed class RespCommandReader : IMessageReader<RespCommand>
{
    private const int NotKnown = -1;
    private const int FewArguments = 16;

    // $0, with the two ends of lines.
    private const int SmallestArgument = 6;

    private readonly RespLimits _limits;

    // Of the command that is being read: how many arguments it has, where those are that were found, and where the next one begins.
    private RespRange[] _arguments = new RespRange[FewArguments];
    private int _count = NotKnown;
    private int _found;
    private int _at;
    private long _needed;

    // What was empty in front of it, which counts to its size.
    private long _skipped;

    // The command in one piece, where it is asked for. Or an inline command without its quotes.
    private byte[]? _copy;
    private int _copied;

    /// <param name="options">Read once. Null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public RespCommandReader(RespOptions? options = null) => _limits = new RespLimits(options ?? new RespOptions());

    /// <inheritdoc/>
    public int MaxMessageSizeInBytes => _limits.MessageSize;

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out RespCommand message)
    {
        ForgetCopy();
        message = default;
        if (examined.Equals(input.Start))
        {
            StartOver();
        }
        else if (input.Length < _needed)
        {
            return false;
        }

        // What is empty is consumed with what follows: with something wrong behind it, it would look as if that could be skipped.
        var rest = input;
        var skipped = _skipped;
        while (!rest.IsEmpty)
        {
            int length;
            var isWhole = _count != NotKnown || FirstByte(rest) == '*'
                ? TryReadArray(rest, ref examined, out length)
                : TryReadInline(rest, ref consumed, ref examined, out length);
            if (!isWhole)
            {
                break;
            }

            var end = rest.GetPosition(length);
            var found = _found;
            StartOver();
            if (found > 0)
            {
                ThrowIfTooLarge(skipped + length);
                _skipped = 0;
                consumed = end;
                var isHere = rest.FirstSpan.Length >= length;
                message = _copied > 0
                    ? new RespCommand(this, _arguments.AsSpan(0, found), _copy.AsSpan(0, _copied), new ReadOnlySequence<byte>(_copy!, 0, _copied))
                    : new RespCommand(this, _arguments.AsSpan(0, found), isHere ? rest.FirstSpan[..length] : default, rest);
                return true;
            }

            ForgetCopy();
            skipped += length;
            ThrowIfTooLarge(skipped);
            rest = rest.Slice(end);
            examined = end;
        }

        _skipped = skipped;
        consumed = rest.Start;
        return false;
    }

    /// <inheritdoc/>
    public void ReturnBuffers()
    {
        ForgetCopy();
        if (_found == 0 && _arguments.Length > FewArguments)
        {
            ReturnArguments();
            _arguments = new RespRange[FewArguments];
        }
    }

    /// <summary>An argument of a command that is in several segments.</summary>
    internal ReadOnlySpan<byte> SpanOf(ReadOnlySequence<byte> segments, RespRange argument, RespRange last)
    {
        if (_copied == 0)
        {
            var bytes = segments.Slice(argument.Start, argument.Length);
            if (bytes.IsSingleSegment)
            {
                return bytes.FirstSpan;
            }

            _copied = last.Start + last.Length;
            _copy = ArrayPool<byte>.Shared.Rent(_copied);
            segments.Slice(0, _copied).CopyTo(_copy);
        }

        return _copy.AsSpan(argument.Start, argument.Length);
    }

    private static byte FirstByte(in ReadOnlySequence<byte> bytes) =>
        bytes.FirstSpan is [var first, ..] ? first : new SequenceReader<byte>(bytes).UnreadSpan[0];

    /// <summary>True if all arguments are there; otherwise the next call goes on at the one that is missing.</summary>
    private bool TryReadArray(in ReadOnlySequence<byte> input, ref SequencePosition examined, out int length)
    {
        var first = input.FirstSpan;
        var isWhole = _at < first.Length && TryReadSpan(first);
        if (!isWhole && !input.IsSingleSegment)
        {
            isWhole = TryReadSegments(input);
        }

        length = _at;
        if (!isWhole)
        {
            examined = input.GetPosition(_at);
        }

        return isWhole;
    }

    private bool TryReadSpan(ReadOnlySpan<byte> bytes)
    {
        var at = _at;
        if (_count == NotKnown && !TryReadCount(bytes, ref at))
        {
            return false;
        }

        while (_found < _count)
        {
            if (!TryReadBulkLength(bytes[at..], at, out var headerLength, out var bulkLength))
            {
                _at = at;
                return false;
            }

            var start = at + headerLength;
            if (bytes.Length - start < bulkLength + 2)
            {
                _needed = start + (long)bulkLength + 2;
                _at = at;
                return false;
            }

            if (bytes[start + bulkLength] != '\r' || bytes[start + bulkLength + 1] != '\n')
            {
                throw StartOver(RespErrors.NoLineEnd());
            }

            Add(start, bulkLength);
            at = start + bulkLength + 2;
        }

        _at = at;
        return true;
    }

    private bool TryReadSegments(in ReadOnlySequence<byte> input)
    {
        var reader = new SequenceReader<byte>(input);
        reader.Advance(_at);
        Span<byte> copy = stackalloc byte[RespLength.MostBytes];
        if (_count == NotKnown)
        {
            if (!TryReadCount(Peek(reader, copy), ref _at))
            {
                return false;
            }

            reader.Advance(_at);
        }

        while (_found < _count)
        {
            if (!TryReadBulkLength(Peek(reader, copy), _at, out var headerLength, out var bulkLength))
            {
                return false;
            }

            reader.Advance(headerLength);
            if (reader.Remaining < bulkLength + 2)
            {
                _needed = reader.Consumed + bulkLength + 2;
                return false;
            }

            var start = (int)reader.Consumed;
            reader.Advance(bulkLength);
            if (!reader.IsNext("\r\n"u8, advancePast: true))
            {
                throw StartOver(RespErrors.NoLineEnd());
            }

            Add(start, bulkLength);
            _at = (int)reader.Consumed;
        }

        return true;
    }

    /// <summary>What is next, in one piece: as much as a length has at most.</summary>
    private static ReadOnlySpan<byte> Peek(in SequenceReader<byte> reader, Span<byte> copy)
    {
        if (reader.UnreadSpan.Length >= copy.Length)
        {
            return reader.UnreadSpan;
        }

        copy = copy[..(int)Math.Min(copy.Length, reader.Remaining)];
        reader.TryCopyTo(copy);
        return copy;
    }

    private bool TryReadCount(ReadOnlySpan<byte> bytes, ref int at)
    {
        var next = 1;
        switch (RespLength.Read(bytes, ref next, out var count))
        {
            case RespLength.Result.Incomplete:
                return false;
            case RespLength.Result.Invalid:
                throw StartOver(RespErrors.InvalidCount());
        }

        if (count > _limits.Arguments)
        {
            throw StartOver(RespErrors.TooManyArguments(_limits.Arguments));
        }

        ThrowIfTooLarge(next + ((long)SmallestArgument * count));
        _count = Math.Max(count, 0);
        at = next;
        return true;
    }

    private bool TryReadBulkLength(ReadOnlySpan<byte> bytes, int at, out int headerLength, out int bulkLength)
    {
        headerLength = 1;
        bulkLength = 0;
        if (bytes.IsEmpty)
        {
            return false;
        }

        if (bytes[0] != '$')
        {
            throw StartOver(RespErrors.NoBulk(bytes[0]));
        }

        switch (RespLength.Read(bytes, ref headerLength, out bulkLength))
        {
            case RespLength.Result.Incomplete:
                return false;
            case RespLength.Result.Invalid:
                throw StartOver(RespErrors.InvalidBulkLength());
        }

        if (bulkLength < 0)
        {
            throw StartOver(RespErrors.InvalidBulkLength());
        }

        if (bulkLength > _limits.BulkLength)
        {
            throw StartOver(RespErrors.BulkTooLarge(_limits.BulkLength));
        }

        ThrowIfTooLarge((long)at + headerLength + bulkLength + 2 + ((long)SmallestArgument * (_count - _found - 1)));
        return true;
    }

    private bool TryReadInline(in ReadOnlySequence<byte> input, ref SequencePosition consumed, ref SequencePosition examined, out int length)
    {
        length = 0;
        var most = Math.Min(_limits.LineLength, _limits.MessageSize);
        if (input.Slice(examined).PositionOf((byte)'\n') is not { } end)
        {
            examined = input.End;
            return input.Length <= most ? false : throw StartOver(RespErrors.InlineTooLarge(_limits.LineLength));
        }

        var line = input.Slice(0, end);
        length = (int)line.Length + 1;
        if (length > most)
        {
            throw StartOver(RespErrors.InlineTooLarge(_limits.LineLength));
        }

        _copied = length;
        _copy = ArrayPool<byte>.Shared.Rent(length);
        line.CopyTo(_copy);
        var words = new InlineWords(_copy.AsSpan(0, length - 1));
        while (words.TryReadNext(out var word))
        {
            Add(word.Start, word.Length);
        }

        if (words.IsUnbalanced)
        {
            // The next line can be read.
            consumed = input.GetPosition(length);
            _skipped = 0;
            throw StartOver(RespErrors.UnbalancedQuotes());
        }

        return true;
    }

    private void Add(int start, int length)
    {
        if (_found == _arguments.Length)
        {
            var larger = ArrayPool<RespRange>.Shared.Rent(2 * _found);
            _arguments.CopyTo(larger);
            ReturnArguments();
            _arguments = larger;
        }

        _arguments[_found++] = new RespRange(start, length);
    }

    private void ThrowIfTooLarge(long size)
    {
        if (size > _limits.MessageSize)
        {
            throw StartOver(RespErrors.MessageTooLarge(_limits.MessageSize));
        }
    }

    /// <summary>The same bytes are looked at from their beginning if they come again.</summary>
    private T StartOver<T>(T error)
    {
        StartOver();
        return error;
    }

    private void StartOver()
    {
        _count = NotKnown;
        _found = 0;
        _at = 0;
        _needed = 0;
    }

    private void ForgetCopy()
    {
        if (_copied > 0)
        {
            ArrayPool<byte>.Shared.Return(_copy!);
            _copy = null;
            _copied = 0;
        }
    }

    private void ReturnArguments()
    {
        if (_arguments.Length > FewArguments)
        {
            ArrayPool<RespRange>.Shared.Return(_arguments);
        }
    }
}
