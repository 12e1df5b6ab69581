using System.Buffers;
using System.Buffers.Text;
using System.Text;
using Peregrine.Protocols.Resp;

namespace Peregrine.Protocols;

/// <summary>
/// Writes values of RESP, and commands as arrays of bulk strings. What RESP2 has no type for is written in the form in which Redis says it to clients of RESP2.
/// </summary>
/// <remarks>
/// Nothing is allocated. It keeps no account of aggregates: behind a header, the caller writes as many values as it says. A value that is refused has written nothing.
/// </remarks>
/// <param name="output">Where the bytes go.</param>
/// <param name="version">What the peer understands.</param>
public readonly struct RespWriter(IBufferWriter<byte> output, RespVersion version)
{
    // A mark, a sign, 19 digits, CR and LF.
    private const int MostOfNumber = 24;

    // What double needs at most in its shortest form, with room for the ends: -2.2250738585072014E-308.
    private const int MostOfDouble = 32;

    // Up to here, a string is copied in one step with its length.
    private const int SmallString = 256;

    private static readonly SearchValues<byte> s_lineEnds = SearchValues.Create("\r\n"u8);

    private bool IsResp3 => version == RespVersion.Resp3;

    /// <summary>Writes a line of text, such as <c>OK</c>.</summary>
    /// <exception cref="MessageFormatException">It has CR or LF. A bulk string may.</exception>
    public void WriteSimpleString(scoped ReadOnlySpan<byte> text) => WriteLine((byte)'+', text);

    /// <summary>Writes an error: a word in capitals, a space, and a sentence.</summary>
    /// <exception cref="MessageFormatException">It has CR or LF.</exception>
    public void WriteError(scoped ReadOnlySpan<byte> text) => WriteLine((byte)'-', text);

    /// <summary>Writes an error of text, in UTF-8.</summary>
    /// <inheritdoc cref="WriteError(ReadOnlySpan{byte})"/>
    public void WriteError(scoped ReadOnlySpan<char> text)
    {
        if (text.ContainsAny('\r', '\n'))
        {
            throw HasLineEnd();
        }

        WriteMark((byte)'-');
        Encoding.UTF8.GetBytes(text, output);
        WriteLineEnd();
    }

    /// <summary>Writes an error of any bytes. RESP2: a simple error, with a space for each CR and LF.</summary>
    public void WriteBulkError(scoped ReadOnlySpan<byte> text)
    {
        if (IsResp3)
        {
            WriteBulk((byte)'!', text);
            return;
        }

        WriteMark((byte)'-');
        var rest = text;
        while (rest.IndexOfAny(s_lineEnds) is >= 0 and var end)
        {
            output.Write(rest[..end]);
            WriteMark((byte)' ');
            rest = rest[(end + 1)..];
        }

        output.Write(rest);
        WriteLineEnd();
    }

    /// <summary>Writes a number.</summary>
    public void WriteInteger(long value) => WriteNumber((byte)':', value);

    /// <summary>Writes any bytes.</summary>
    public void WriteBulkString(scoped ReadOnlySpan<byte> value) => WriteBulk((byte)'$', value);

    /// <inheritdoc cref="WriteBulkString(ReadOnlySpan{byte})"/>
    public void WriteBulkString(in ReadOnlySequence<byte> value)
    {
        WriteNumber((byte)'$', value.Length);
        foreach (var segment in value)
        {
            output.Write(segment.Span);
        }

        WriteLineEnd();
    }

    /// <summary>Writes text, in UTF-8.</summary>
    public void WriteBulkString(scoped ReadOnlySpan<char> text)
    {
        WriteNumber((byte)'$', Encoding.UTF8.GetByteCount(text));
        Encoding.UTF8.GetBytes(text, output);
        WriteLineEnd();
    }

    /// <summary>Writes text for people. RESP2: a bulk string, without its format.</summary>
    /// <param name="format">What the text is written in, of three bytes: <c>txt</c>, or <c>mkd</c> for Markdown.</param>
    /// <param name="text">The text.</param>
    /// <exception cref="MessageFormatException">The format has not three bytes.</exception>
    public void WriteVerbatimString(scoped ReadOnlySpan<byte> format, scoped ReadOnlySpan<byte> text)
    {
        if (format.Length != RespToken.FormatLength)
        {
            throw new MessageFormatException($"The format of a verbatim string has {RespToken.FormatLength} bytes, and not {format.Length}.");
        }

        if (!IsResp3)
        {
            WriteBulkString(text);
            return;
        }

        WriteNumber((byte)'=', format.Length + 1L + text.Length);
        output.Write(format);
        WriteMark((byte)':');
        output.Write(text);
        WriteLineEnd();
    }

    /// <summary>Writes that there is no value. RESP2: the bulk string of the length -1.</summary>
    public void WriteNull() => output.Write(IsResp3 ? "_\r\n"u8 : "$-1\r\n"u8);

    /// <summary>Writes that there is no array. RESP2: the array of the length -1. RESP3 has one null for both.</summary>
    public void WriteNullArray() => output.Write(IsResp3 ? "_\r\n"u8 : "*-1\r\n"u8);

    /// <summary>Writes true or false. RESP2: the integer 1 or 0.</summary>
    public void WriteBoolean(bool value) => output.Write(IsResp3 ? (value ? "#t\r\n"u8 : "#f\r\n"u8) : (value ? ":1\r\n"u8 : ":0\r\n"u8));

    /// <summary>Writes a number of double precision, in the shortest digits that say it, or <c>inf</c>, <c>-inf</c>, <c>nan</c>. RESP2: a bulk string of them.</summary>
    public void WriteDouble(double value)
    {
        Span<byte> digits = stackalloc byte[MostOfDouble];
        if (double.IsFinite(value))
        {
            Utf8Formatter.TryFormat(value, digits, out var length);
            WriteDigits((byte)',', digits[..length]);
        }
        else
        {
            WriteDigits((byte)',', double.IsNaN(value) ? "nan"u8 : value > 0 ? "inf"u8 : "-inf"u8);
        }
    }

    /// <summary>Writes a whole number of any size. RESP2: a bulk string.</summary>
    /// <param name="digits">Decimal digits, and perhaps a sign in front of them.</param>
    /// <exception cref="MessageFormatException">It has other bytes.</exception>
    public void WriteBigNumber(scoped ReadOnlySpan<byte> digits)
    {
        if (!RespToken.IsBigNumber(digits))
        {
            throw new MessageFormatException("A big number has decimal digits, and perhaps a sign.");
        }

        WriteDigits((byte)'(', digits);
    }

    /// <summary>Begins an array. Its values follow; a command is an array of bulk strings.</summary>
    /// <param name="count">How many. From 0.</param>
    public void WriteArrayHeader(int count) => WriteHeader((byte)'*', count);

    /// <summary>Begins a map: so many keys follow, each with its value behind it. RESP2: an array of them.</summary>
    /// <param name="pairs">How many pairs. From 0.</param>
    public void WriteMapHeader(int pairs)
    {
        if (IsResp3)
        {
            WriteHeader((byte)'%', pairs);
        }
        else
        {
            WriteHeader((byte)'*', 2L * pairs);
        }
    }

    /// <summary>Begins a set. RESP2: an array.</summary>
    /// <inheritdoc cref="WriteArrayHeader"/>
    public void WriteSetHeader(int count) => WriteHeader(IsResp3 ? (byte)'~' : (byte)'*', count);

    /// <summary>Begins a message that answers no command; the first value is a string that says its kind. RESP2: an array.</summary>
    /// <inheritdoc cref="WriteArrayHeader"/>
    public void WritePushHeader(int count) => WriteHeader(IsResp3 ? (byte)'>' : (byte)'*', count);

    /// <summary>Begins what is said about the next value: so many keys follow, each with its value behind it, and then the value itself.</summary>
    /// <param name="pairs">How many pairs. From 0.</param>
    /// <exception cref="MessageFormatException">RESP2 has nothing like it.</exception>
    public void WriteAttributeHeader(int pairs)
    {
        if (!IsResp3)
        {
            throw new MessageFormatException("RESP2 has no attributes.");
        }

        WriteHeader((byte)'|', pairs);
    }

    private static MessageFormatException HasLineEnd() => new("A simple string or error has CR or LF in it, which would end it.");

    private void WriteHeader(byte mark, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        WriteNumber(mark, count);
    }

    private void WriteLine(byte mark, scoped ReadOnlySpan<byte> text)
    {
        if (text.ContainsAny(s_lineEnds))
        {
            throw HasLineEnd();
        }

        if (text.Length > SmallString)
        {
            WriteMark(mark);
            output.Write(text);
            WriteLineEnd();
            return;
        }

        var span = output.GetSpan(text.Length + 3);
        span[0] = mark;
        text.CopyTo(span[1..]);
        span[text.Length + 1] = (byte)'\r';
        span[text.Length + 2] = (byte)'\n';
        output.Advance(text.Length + 3);
    }

    private void WriteBulk(byte mark, scoped ReadOnlySpan<byte> value)
    {
        if (value.Length > SmallString)
        {
            WriteNumber(mark, value.Length);
            output.Write(value);
            WriteLineEnd();
            return;
        }

        var span = output.GetSpan(MostOfNumber + value.Length + 2);
        var at = Format(span, mark, value.Length);
        value.CopyTo(span[at..]);
        at += value.Length;
        span[at] = (byte)'\r';
        span[at + 1] = (byte)'\n';
        output.Advance(at + 2);
    }

    private void WriteDigits(byte mark, scoped ReadOnlySpan<byte> digits)
    {
        if (IsResp3)
        {
            WriteLine(mark, digits);
        }
        else
        {
            WriteBulkString(digits);
        }
    }

    private void WriteNumber(byte mark, long value) => output.Advance(Format(output.GetSpan(MostOfNumber), mark, value));

    private static int Format(Span<byte> span, byte mark, long value)
    {
        span[0] = mark;
        Utf8Formatter.TryFormat(value, span[1..], out var digits);
        span[digits + 1] = (byte)'\r';
        span[digits + 2] = (byte)'\n';
        return digits + 3;
    }

    private void WriteMark(byte mark)
    {
        output.GetSpan(1)[0] = mark;
        output.Advance(1);
    }

    private void WriteLineEnd() => output.Write("\r\n"u8);
}
