namespace Peregrine.Protocols.Syslog;

/// <summary>TIMESTAMP of RFC 5424, section 6.2.3: of RFC 3339, but with capital letters, up to six digits behind the point, and no leap seconds.</summary>
internal static class TimestampParser
{
    private const int MostFraction = 6;

    // What the runtime can say of an offset; all up to 23:59 are valid.
    private static readonly TimeSpan s_mostOffset = TimeSpan.FromHours(14);

    /// <summary>Parses the whole of a text. False also for what <see cref="DateTimeOffset"/> cannot say: a day of the year 0.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out DateTimeOffset timestamp)
    {
        timestamp = default;
        if (text is not
            [
                _, _, _, _, (byte)'-', _, _, (byte)'-', _, _, (byte)'T',
                _, _, (byte)':', _, _, (byte)':', _, _, .. var behind,
            ]
            || !TryReadNumber(text[..4], out var year) || !TryReadNumber(text[5..7], out var month) || !TryReadNumber(text[8..10], out var day)
            || !TryReadTime(text[11..16], out var hourAndMinute) || !TryReadNumber(text[17..19], out var second) || second > 59
            || year == 0 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month)
            || !TryReadFraction(ref behind, out var fraction) || !TryReadOffset(behind, out var offset))
        {
            return false;
        }

        var local = new DateTime(year, month, day).Ticks + hourAndMinute.Ticks + (second * TimeSpan.TicksPerSecond) + fraction;
        var utc = local - offset.Ticks;
        if (utc < 0 || utc > DateTime.MaxValue.Ticks)
        {
            return false;
        }

        timestamp = offset.Duration() <= s_mostOffset ? new DateTimeOffset(local, offset) : new DateTimeOffset(utc, TimeSpan.Zero);
        return true;
    }

    private static bool TryReadNumber(ReadOnlySpan<byte> digits, out int number)
    {
        number = 0;
        foreach (var digit in digits)
        {
            if (!char.IsAsciiDigit((char)digit))
            {
                return false;
            }

            number = (number * 10) + digit - '0';
        }

        return true;
    }

    /// <summary>An hour and a minute, with a colon between.</summary>
    private static bool TryReadTime(ReadOnlySpan<byte> text, out TimeSpan time)
    {
        time = default;
        if (text is not [_, _, (byte)':', _, _] || !TryReadNumber(text[..2], out var hour) || !TryReadNumber(text[3..], out var minute) || hour > 23 || minute > 59)
        {
            return false;
        }

        time = new TimeSpan(hour, minute, 0);
        return true;
    }

    /// <summary>Of a second, in ticks. There may be none.</summary>
    private static bool TryReadFraction(ref ReadOnlySpan<byte> behind, out int ticks)
    {
        ticks = 0;
        if (behind is not [(byte)'.', ..])
        {
            return true;
        }

        behind = behind[1..];
        var digits = behind.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        if (digits is < 1 or > MostFraction || !TryReadNumber(behind[..digits], out ticks))
        {
            return false;
        }

        // A tick is a seventh digit.
        for (var i = digits; i <= MostFraction; i++)
        {
            ticks *= 10;
        }

        behind = behind[digits..];
        return true;
    }

    private static bool TryReadOffset(ReadOnlySpan<byte> text, out TimeSpan offset)
    {
        offset = default;
        switch (text)
        {
            case [(byte)'Z']:
                return true;
            case [(byte)'+', .. var east]:
                return TryReadTime(east, out offset);
            case [(byte)'-', .. var west] when TryReadTime(west, out offset):
                offset = -offset;
                return true;
            default:
                return false;
        }
    }
}
