namespace Peregrine.Protocols.Resp;

/// <summary>The number in front of a bulk string or an aggregate, with the end of its line.</summary>
internal static class RespLength
{
    /// <summary>As much of the input as decides: a mark, a sign, the digits of <see cref="int.MaxValue"/>, CR and LF.</summary>
    public const int MostBytes = 14;

    /// <summary>More digits than this are more than an <see cref="int"/>.</summary>
    private const int MostDigits = 10;

    public enum Result : byte
    {
        Found,
        Incomplete,
        Invalid,
    }

    /// <summary>Reads a number as Redis does: without a plus, without zeros in front.</summary>
    /// <param name="bytes">From the mark on.</param>
    /// <param name="at">Where the number begins; then behind the line.</param>
    /// <param name="value">The number. All that are negative are -1.</param>
    public static Result Read(ReadOnlySpan<byte> bytes, ref int at, out int value)
    {
        var i = at;
        value = 0;
        var isNegative = i < bytes.Length && bytes[i] == '-';
        if (isNegative)
        {
            i++;
        }

        var first = i;
        long number = 0;
        while (true)
        {
            if (i >= bytes.Length)
            {
                return Result.Incomplete;
            }

            var digit = (uint)(bytes[i] - '0');
            if (digit > 9)
            {
                break;
            }

            number = (number * 10) + digit;
            if (++i - first > MostDigits)
            {
                return Result.Invalid;
            }
        }

        if (bytes[i] != '\r' || i == first || number > int.MaxValue || (bytes[first] == '0' && (i - first > 1 || isNegative)))
        {
            return Result.Invalid;
        }

        if (i + 1 >= bytes.Length)
        {
            return Result.Incomplete;
        }

        if (bytes[i + 1] != '\n')
        {
            return Result.Invalid;
        }

        at = i + 2;
        value = isNegative ? -1 : (int)number;
        return Result.Found;
    }
}
