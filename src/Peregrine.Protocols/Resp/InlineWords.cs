namespace Peregrine.Protocols.Resp;

/// <summary>The words of an inline command. What is quoted is decoded in place, because it only becomes shorter.</summary>
internal ref struct InlineWords(Span<byte> line)
{
    private readonly Span<byte> _line = line;
    private int _at;

    /// <summary>A quote has no end, or no white space behind it.</summary>
    public bool IsUnbalanced { get; private set; }

    public bool TryReadNext(out RespRange word)
    {
        while (_at < _line.Length && IsSpace(_line[_at]))
        {
            _at++;
        }

        var start = _at;
        var end = _at;
        while (_at < _line.Length && !IsSpace(_line[_at]))
        {
            if (_line[_at] is (byte)'"' or (byte)'\'')
            {
                if (!TryReadQuoted(ref end))
                {
                    IsUnbalanced = true;
                    word = default;
                    return false;
                }

                break;
            }

            _line[end++] = _line[_at++];
        }

        word = new RespRange(start, end - start);
        return _at > start;
    }

    private bool TryReadQuoted(ref int end)
    {
        var quote = _line[_at++];
        while (_at < _line.Length)
        {
            var value = _line[_at++];
            if (value == quote)
            {
                return _at == _line.Length || IsSpace(_line[_at]);
            }

            if (value == '\\' && _at < _line.Length)
            {
                value = quote == '"' ? ReadEscape() : _line[_at] == '\'' ? _line[_at++] : value;
            }

            _line[end++] = value;
        }

        return false;
    }

    private byte ReadEscape()
    {
        if (_line.Length - _at >= 3 && _line[_at] == 'x' && char.IsAsciiHexDigit((char)_line[_at + 1]) && char.IsAsciiHexDigit((char)_line[_at + 2]))
        {
            var value = (HexValue(_line[_at + 1]) << 4) | HexValue(_line[_at + 2]);
            _at += 3;
            return (byte)value;
        }

        return _line[_at++] switch
        {
            (byte)'n' => (byte)'\n',
            (byte)'r' => (byte)'\r',
            (byte)'t' => (byte)'\t',
            (byte)'b' => (byte)'\b',
            (byte)'a' => (byte)'\a',
            var other => other,
        };
    }

    private static int HexValue(byte digit) => digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;

    private static bool IsSpace(byte value) => value is (byte)' ' or (>= (byte)'\t' and <= (byte)'\r');
}
