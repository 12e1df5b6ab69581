namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>
/// Addresses and ports of a line, as strict as proxy-protocol.txt §2.1 has them: the parsers of the runtime take octal and hexadecimal numbers, scopes,
/// brackets and ports as well.
/// </summary>
internal static class AddressText
{
    private const int IPv4Parts = 4;
    private const int IPv6Groups = 8;
    private const int MaxDigits = 5;

    /// <summary>Four numbers from 0 to 255, without leading zeroes.</summary>
    public static bool TryParseIPv4(ReadOnlySpan<byte> text, Span<byte> address)
    {
        for (var part = 0; part < IPv4Parts; part++)
        {
            var end = part < IPv4Parts - 1 ? text.IndexOf((byte)'.') : text.Length;
            if (end < 0 || !TryParseNumber(text[..end], byte.MaxValue, out var value))
            {
                return false;
            }

            address[part] = (byte)value;
            text = text[Math.Min(end + 1, text.Length)..];
        }

        return true;
    }

    /// <summary>
    /// Eight groups of one to four hexadecimal digits, one run of zeroes of which may be <c>::</c>. An IPv4 address that is mapped may be in dots, the
    /// canonical form of RFC 5952 §5, in which nginx and the C library's inet_ntop write it.
    /// </summary>
    public static bool TryParseIPv6(ReadOnlySpan<byte> text, Span<byte> address)
    {
        address.Clear();
        var group = 0;
        var gap = -1;
        if (text.StartsWith("::"u8))
        {
            gap = 0;
            text = text[2..];
        }

        while (!text.IsEmpty)
        {
            if (group == IPv6Groups)
            {
                return false;
            }

            var end = text.IndexOf((byte)':');
            var digits = end < 0 ? text : text[..end];
            if (end < 0 && digits.Contains((byte)'.'))
            {
                return IsMapped(address, group, gap) && TryParseIPv4(digits, address[^IPv4Parts..]);
            }

            if (!TryParseGroup(digits, address.Slice(2 * group, 2)))
            {
                return false;
            }

            group++;
            if (end < 0)
            {
                break;
            }

            text = text[(end + 1)..];
            if (text.IsEmpty)
            {
                return false;
            }

            if (text[0] == ':')
            {
                if (gap >= 0)
                {
                    return false;
                }

                gap = group;
                text = text[1..];
            }
        }

        if (gap < 0)
        {
            return group == IPv6Groups;
        }

        if (group == IPv6Groups)
        {
            return false; // The gap would stand for nothing.
        }

        var tail = address[(2 * gap)..(2 * group)];
        tail.CopyTo(address[^tail.Length..]);
        address[(2 * gap)..^tail.Length].Clear();
        return true;
    }

    /// <summary>A number from 0 to 65535, without leading zeroes.</summary>
    public static bool TryParsePort(ReadOnlySpan<byte> text, out int port) => TryParseNumber(text, ushort.MaxValue, out port);

    /// <summary>What is before the dots is <c>::ffff:</c>, and that group is where it belongs.</summary>
    private static bool IsMapped(Span<byte> address, int group, int gap)
    {
        if (gap != 0 || group != 1 || address[0] != byte.MaxValue || address[1] != byte.MaxValue)
        {
            return false;
        }

        address[..2].Clear();
        address[10..12].Fill(byte.MaxValue);
        return true;
    }

    private static bool TryParseGroup(ReadOnlySpan<byte> digits, Span<byte> group)
    {
        if (digits.IsEmpty || digits.Length > 4)
        {
            return false;
        }

        var value = 0;
        foreach (var digit in digits)
        {
            if (!char.IsAsciiHexDigit((char)digit))
            {
                return false;
            }

            value = (value << 4) | (char.IsAsciiDigit((char)digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
        }

        group[0] = (byte)(value >> 8);
        group[1] = (byte)value;
        return true;
    }

    private static bool TryParseNumber(ReadOnlySpan<byte> digits, int max, out int value)
    {
        value = 0;
        if (digits.IsEmpty || digits.Length > MaxDigits || (digits[0] == '0' && digits.Length > 1))
        {
            return false;
        }

        foreach (var digit in digits)
        {
            if (!char.IsAsciiDigit((char)digit))
            {
                return false;
            }

            value = (value * 10) + digit - '0';
        }

        return value <= max;
    }
}
