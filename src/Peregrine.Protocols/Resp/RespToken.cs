using System.Buffers;
using System.Buffers.Text;
using System.Globalization;

namespace Peregrine.Protocols.Resp;

/// <summary>One line of RESP, with the bytes behind it where it is the length of a string: a whole scalar, or the beginning of an aggregate.</summary>
/// <param name="Type">Its type.</param>
/// <param name="Elements">How many values are in it; a map has two for each pair.</param>
/// <param name="Payload">What a scalar has between its mark or its length and the end of the line.</param>
internal readonly record struct RespToken(RespType Type, long Elements, ReadOnlySequence<byte> Payload)
{
    /// <summary>Of a verbatim string, in front of the colon.</summary>
    public const int FormatLength = 3;

    /// <summary>The smallest value: _ and the end of its line.</summary>
    public const int Smallest = 3;

    /// <summary>What the digits of a double may be at most. Longer than this are only lines of text, and of big numbers.</summary>
    public const int LongestDouble = 512;

    // A sign and 19 digits, with zeros in front.
    public const int LongestInteger = 32;

    public bool IsAggregate => Type is RespType.Array or RespType.Map or RespType.Attribute or RespType.Set or RespType.Push;

    /// <summary>Takes one, if it is there as a whole.</summary>
    /// <param name="reader">At its beginning; then behind it, or where more is needed.</param>
    /// <param name="limits">Its bounds.</param>
    /// <param name="token">The token.</param>
    /// <param name="missing">How many more bytes are needed at least. 0 if that is not known: then a line has no end yet.</param>
    public static bool TryRead(ref SequenceReader<byte> reader, in RespLimits limits, out RespToken token, out long missing)
    {
        token = default;
        missing = 0;
        if (!reader.TryRead(out var mark))
        {
            return false;
        }

        var type = TypeOf(mark);
        var longest = LongestLine(type, limits);
        if (!reader.TryReadTo(out ReadOnlySequence<byte> line, (byte)'\n'))
        {
            // With its CR.
            return reader.Remaining <= (long)longest + 1 ? false : throw TooLong(type, limits);
        }

        if (line.IsEmpty || line.Slice(line.Length - 1).FirstSpan[0] != '\r')
        {
            throw RespErrors.NoLineEnd();
        }

        line = line.Slice(0, line.Length - 1);
        if (line.Length > longest)
        {
            throw TooLong(type, limits);
        }

        if (line.PositionOf((byte)'\r') is not null)
        {
            throw RespErrors.NoLineEnd();
        }

        Span<byte> copy = stackalloc byte[LongestDouble];
        var text = line.IsSingleSegment || IsText(type) ? line.FirstSpan : CopyTo(line, copy);
        switch (type)
        {
            case RespType.SimpleString or RespType.Error:
                token = new RespToken(type, 0, line);
                return true;

            case RespType.Null or RespType.Boolean or RespType.Integer or RespType.Double:
                ThrowUnlessValid(type, text);
                token = new RespToken(type, 0, line);
                return true;

            case RespType.BigNumber:
                token = IsBigNumber(line) ? new RespToken(type, 0, line) : throw Invalid(type);
                return true;

            case RespType.BulkString or RespType.BulkError or RespType.VerbatimString:
                var length = ReadLength(text, type);
                if (length < 0)
                {
                    return type == RespType.BulkString ? true : throw Invalid(type);
                }

                return TryReadBulk(ref reader, limits, type, length, out token, out missing);

            default:
                var count = ReadLength(text, type);
                if (count < 0)
                {
                    return type == RespType.Array ? true : throw Invalid(type);
                }

                token = new RespToken(type, type is RespType.Map or RespType.Attribute ? 2L * count : count, default);
                return true;
        }
    }

    /// <summary>Goes over so many values, which are known to be whole and right.</summary>
    public static void Skip(ref SequenceReader<byte> reader, long count)
    {
        for (; count > 0; count--)
        {
            TryRead(ref reader, RespLimits.None, out var token, out _);
            count += token.Type == RespType.Attribute ? token.Elements + 1 : token.Elements;
        }
    }

    public static bool IsBigNumber(ReadOnlySpan<byte> text)
    {
        var digits = text is [(byte)'+' or (byte)'-', ..] ? text[1..] : text;
        return !digits.IsEmpty && !digits.ContainsAnyExceptInRange((byte)'0', (byte)'9');
    }

    private static bool IsBigNumber(in ReadOnlySequence<byte> text)
    {
        if (text.IsSingleSegment)
        {
            return IsBigNumber(text.FirstSpan);
        }

        var digits = text.Slice(0, 1).FirstSpan is [(byte)'+' or (byte)'-'] ? text.Slice(1) : text;
        foreach (var segment in digits)
        {
            if (segment.Span.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
            {
                return false;
            }
        }

        return !digits.IsEmpty;
    }

    private static RespType TypeOf(byte mark) => mark switch
    {
        (byte)'+' => RespType.SimpleString,
        (byte)'-' => RespType.Error,
        (byte)':' => RespType.Integer,
        (byte)'$' => RespType.BulkString,
        (byte)'*' => RespType.Array,
        (byte)'_' => RespType.Null,
        (byte)'#' => RespType.Boolean,
        (byte)',' => RespType.Double,
        (byte)'(' => RespType.BigNumber,
        (byte)'!' => RespType.BulkError,
        (byte)'=' => RespType.VerbatimString,
        (byte)'%' => RespType.Map,
        (byte)'|' => RespType.Attribute,
        (byte)'~' => RespType.Set,
        (byte)'>' => RespType.Push,
        _ => throw RespErrors.NoType(mark),
    };

    private static bool IsText(RespType type) => type is RespType.SimpleString or RespType.Error or RespType.BigNumber;

    private static int LongestLine(RespType type, in RespLimits limits) => type == RespType.Double ? LongestDouble : IsText(type) ? limits.LineLength : LongestInteger;

    private static MessageFormatException TooLong(RespType type, in RespLimits limits) => IsText(type) ? RespErrors.LineTooLarge(limits.LineLength) : Invalid(type);

    private static MessageFormatException Invalid(RespType type) => type switch
    {
        RespType.BulkString or RespType.BulkError or RespType.VerbatimString => RespErrors.InvalidBulkLength(),
        RespType.Array or RespType.Map or RespType.Attribute or RespType.Set or RespType.Push => RespErrors.InvalidCount(),
        _ => RespErrors.InvalidScalar(type),
    };

    private static ReadOnlySpan<byte> CopyTo(in ReadOnlySequence<byte> line, Span<byte> copy)
    {
        line.CopyTo(copy);
        return copy[..(int)line.Length];
    }

    private static void ThrowUnlessValid(RespType type, ReadOnlySpan<byte> text)
    {
        var isValid = type switch
        {
            RespType.Null => text.IsEmpty,
            RespType.Boolean => text is [(byte)'t' or (byte)'f'],
            RespType.Integer => Utf8Parser.TryParse(text, out long _, out var read) && read == text.Length,
            _ => TryReadDouble(text, out _),
        };
        if (!isValid)
        {
            throw Invalid(type);
        }
    }

    public static bool TryReadDouble(ReadOnlySpan<byte> text, out double value)
    {
        if (text is [>= (byte)'0' and <= (byte)'9', ..] or [(byte)'+' or (byte)'-', >= (byte)'0' and <= (byte)'9', ..])
        {
            return double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value);
        }

        // Redis before 7.2 wrote -nan too.
        value = text.SequenceEqual("inf"u8) ? double.PositiveInfinity : text.SequenceEqual("-inf"u8) ? double.NegativeInfinity : double.NaN;
        return !double.IsNaN(value) || text.SequenceEqual("nan"u8) || text.SequenceEqual("-nan"u8);
    }

    /// <summary>-1 is the null of RESP2.</summary>
    private static int ReadLength(ReadOnlySpan<byte> text, RespType type)
    {
        if (text is [(byte)'?'])
        {
            throw RespErrors.Streamed();
        }

        return text.SequenceEqual("-1"u8) ? -1
            : Utf8Parser.TryParse(text, out int length, out var read) && read == text.Length && length >= 0 ? length
            : throw Invalid(type);
    }

    private static bool TryReadBulk(
        ref SequenceReader<byte> reader, in RespLimits limits, RespType type, int length, out RespToken token, out long missing)
    {
        token = default;
        if (length > limits.BulkLength)
        {
            throw RespErrors.BulkTooLarge(limits.BulkLength);
        }

        missing = length + 2L - reader.Remaining;
        if (missing > 0)
        {
            return false;
        }

        var payload = reader.UnreadSequence.Slice(0, length);
        reader.Advance(length);
        if (!reader.IsNext("\r\n"u8, advancePast: true))
        {
            throw RespErrors.NoLineEnd();
        }

        if (type == RespType.VerbatimString && (length <= FormatLength || payload.Slice(FormatLength, 1).FirstSpan[0] != ':'))
        {
            throw Invalid(type);
        }

        token = new RespToken(type, 0, payload);
        return true;
    }
}
