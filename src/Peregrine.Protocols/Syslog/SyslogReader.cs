using System.Buffers;
using Peregrine.Protocols.Syslog;

namespace Peregrine.Protocols;

/// <summary>
/// Messages of syslog over TCP and TLS, in both framings of RFC 6587. It hands out whatever is framed, so that nothing is lost that is not of RFC 5424:
/// <code>
/// if (SyslogMessage.TryParse(frame.Bytes, out var message)) { … } else { /* RFC 3164, or something else: keep it as it is */ }
/// </code>
/// </summary>
/// <remarks>
/// <para>It keeps what is to be let go of a message that was cut: one serves one connection.</para>
/// <para>Trailers with no message in front of them are let go too: some senders count, and end the line all the same.</para>
/// </remarks>
public sealed class SyslogReader : IMessageReader<SyslogFrame>
{
    private readonly FrameRules _rules;

    // The rest of a message that was cut: so many bytes, or all up to the trailer.
    private (int Bytes, bool ToTrailer) _skip;

    /// <param name="options">Read once. Null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public SyslogReader(SyslogOptions? options = null) => _rules = new FrameRules(options ?? new SyslogOptions());

    /// <summary><see cref="SyslogOptions.MaxMessageSizeInBytes"/>, and what may be around it.</summary>
    public int MaxMessageSizeInBytes => _rules.MaxFrame;

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out SyslogFrame message)
    {
        message = default;
        var looked = (int)input.Slice(input.Start, examined).Length;
        var rest = WithoutSkipped(input);
        if (rest.Length < input.Length || _skip.ToTrailer)
        {
            consumed = examined = rest.Start;
            return false;
        }

        var isFound = TryReadCount(input, out var count, out var prefix)
            ? TryTakeCounted(input, prefix, count, out message, out var end)
            : TryTakeLine(input, looked, out message, out end);
        if (isFound)
        {
            consumed = input.GetPosition(end);
        }
        else
        {
            examined = input.End;
        }

        return isFound;
    }

    /// <summary>Without the rest of a message that was cut, or without trailers that belong to no message.</summary>
    private ReadOnlySequence<byte> WithoutSkipped(in ReadOnlySequence<byte> input)
    {
        if (_skip.Bytes > 0)
        {
            var bytes = (int)Math.Min(_skip.Bytes, input.Length);
            _skip.Bytes -= bytes;
            return input.Slice(bytes);
        }

        if (_skip.ToTrailer)
        {
            var end = FindTrailer(input, 0);
            _skip.ToTrailer = end < 0;

            // The last byte may be the beginning of the trailer.
            return input.Slice(end < 0 ? input.Length - _rules.Trailer.Length + 1 : end + _rules.Trailer.Length);
        }

        if (_rules.Framing == SyslogFraming.OctetCounting || input.FirstByte() != _rules.Trailer[0])
        {
            return input;
        }

        var reader = new SequenceReader<byte>(input);
        while (reader.IsNext(_rules.Trailer, advancePast: true))
        {
        }

        return input.Slice(reader.Position);
    }

    /// <summary>True if the message is counted, or may be.</summary>
    /// <param name="rest">Where it begins.</param>
    /// <param name="count">Zero if the number has not ended yet.</param>
    /// <param name="prefix">The number and its space.</param>
    private bool TryReadCount(in ReadOnlySequence<byte> rest, out int count, out int prefix)
    {
        (count, prefix) = (0, 0);
        if (_rules.Framing == SyslogFraming.NonTransparent)
        {
            return false;
        }

        Span<byte> copy = stackalloc byte[FrameRules.MostDigits + 1];
        scoped var start = rest.FirstSpan;
        if (start.Length < copy.Length && !rest.IsSingleSegment)
        {
            var beginning = rest.Slice(0, Math.Min(rest.Length, copy.Length));
            beginning.CopyTo(copy);
            start = copy[..(int)beginning.Length];
        }

        var number = 0;
        for (var i = 0; i < Math.Min(start.Length, copy.Length); i++)
        {
            var digit = start[i] - '0';
            if (start[i] == ' ' && i > 0)
            {
                (count, prefix) = (number, i + 1);
                return true;
            }

            if (digit is < 0 or > 9 || (digit == 0 && i == 0) || i == FrameRules.MostDigits)
            {
                return _rules.Framing == SyslogFraming.Auto
                    ? false
                    : throw new MessageFormatException($"A message does not begin with its length: a number of up to {FrameRules.MostDigits} digits, and a space.");
            }

            number = (number * 10) + digit;
        }

        return true;
    }

    private bool TryTakeCounted(in ReadOnlySequence<byte> rest, int prefix, int count, out SyslogFrame message, out int end)
    {
        message = default;
        var size = Math.Min(count, _rules.MaxMessage);
        end = prefix + size;
        if (size < count)
        {
            RefuseUnlessTruncated(count);
        }

        if (count == 0 || rest.Length < end)
        {
            return false;
        }

        message = new SyslogFrame(rest.Slice(prefix, size), IsTruncated: size < count);
        _skip.Bytes = count - size;
        return true;
    }

    private bool TryTakeLine(in ReadOnlySequence<byte> rest, int looked, out SyslogFrame message, out int end)
    {
        message = default;
        var most = _rules.MaxMessage + _rules.Trailer.Length;
        var size = FindTrailer(rest.Slice(0, Math.Min(rest.Length, most)), Math.Max(0, looked - _rules.Trailer.Length + 1));
        end = size + _rules.Trailer.Length;
        if (size < 0)
        {
            if (rest.Length < most)
            {
                return false;
            }

            RefuseUnlessTruncated(rest.Length);
            end = size = _rules.MaxMessage;
            _skip.ToTrailer = true;
        }

        message = new SyslogFrame(rest.Slice(0, size), IsTruncated: _skip.ToTrailer);
        return true;
    }

    private int FindTrailer(in ReadOnlySequence<byte> bytes, int from)
    {
        if (bytes.IsSingleSegment)
        {
            var found = bytes.FirstSpan[from..].IndexOf(_rules.Trailer);
            return found < 0 ? -1 : from + found;
        }

        var reader = new SequenceReader<byte>(bytes.Slice(from));
        return reader.TryReadTo(out ReadOnlySequence<byte> before, _rules.Trailer) ? from + (int)before.Length : -1;
    }

    private void RefuseUnlessTruncated(long size)
    {
        if (!_rules.Truncates)
        {
            throw new MessageTooLargeException(size, _rules.MaxMessage);
        }
    }
}
