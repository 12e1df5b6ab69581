namespace Peregrine.Protocols.Syslog;

/// <summary>Finds the parts of a message of RFC 5424, or that it is none.</summary>
internal ref struct MessageParser
{
    private readonly ReadOnlySpan<byte> _bytes;
    private int _at;

    private MessageParser(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    private readonly ReadOnlySpan<byte> Rest => _bytes[_at..];

    public static bool TryParse(ReadOnlySpan<byte> bytes, out MessageParts parts) => new MessageParser(bytes).TryParse(out parts);

    private bool TryParse(out MessageParts parts)
    {
        parts = default;
        if (!TryReadPriority(out var priority) || !TryTake("1 "u8) || !TryReadTimestamp(out var timestamp)
            || !TryReadField(FieldRules.MostHostName, out var hostName) || !TryReadField(FieldRules.MostAppName, out var appName)
            || !TryReadField(FieldRules.MostProcessId, out var processId) || !TryReadField(FieldRules.MostMessageId, out var messageId)
            || !TryReadStructuredData(out var structuredData) || (!Rest.IsEmpty && !TryTake(" "u8)))
        {
            return false;
        }

        var hasMark = TryTake("\uFEFF"u8);
        parts = new MessageParts(priority, timestamp, hostName, appName, processId, messageId, structuredData, _at, hasMark);
        return true;
    }

    private bool TryTake(ReadOnlySpan<byte> expected)
    {
        var isThere = Rest.StartsWith(expected);
        _at += isThere ? expected.Length : 0;
        return isThere;
    }

    private bool TryReadPriority(out int priority)
    {
        priority = 0;
        if (!TryTake("<"u8))
        {
            return false;
        }

        var digits = Rest.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        if (digits is < 1 or > 3)
        {
            return false;
        }

        foreach (var digit in Rest[..digits])
        {
            priority = (priority * 10) + digit - '0';
        }

        // Without a zero in front of another digit.
        var isShortest = digits == 1 || Rest[0] != '0';
        _at += digits;
        return isShortest && priority <= FieldRules.MostPriority && TryTake(">"u8);
    }

    private bool TryReadTimestamp(out DateTimeOffset? timestamp)
    {
        timestamp = null;
        if (TryTake("- "u8))
        {
            return true;
        }

        var end = Rest.IndexOf((byte)' ');
        if (end < 0 || !TimestampParser.TryParse(Rest[..end], out var value))
        {
            return false;
        }

        timestamp = value;
        _at += end + 1;
        return true;
    }

    /// <summary>A field, and the space behind it.</summary>
    private bool TryReadField(int most, out Part part)
    {
        part = default;
        var rest = Rest;
        var end = rest[..Math.Min(rest.Length, most + 1)].IndexOfAnyExceptInRange(FieldRules.FirstVisible, FieldRules.LastVisible);
        if (end <= 0 || rest[end] != ' ')
        {
            return false;
        }

        part = end == 1 && rest[0] == '-' ? default : new Part(_at, end);
        _at += end + 1;
        return true;
    }

    private bool TryReadStructuredData(out Part part)
    {
        part = default;
        if (TryTake("-"u8))
        {
            return true;
        }

        var start = _at;
        do
        {
            if (!TryReadElement())
            {
                return false;
            }
        }
        while (Rest is [(byte)'[', ..]);
        part = new Part(start, _at - start);
        return true;
    }

    private bool TryReadElement()
    {
        if (!TryTake("["u8) || !TryReadName())
        {
            return false;
        }

        while (TryTake(" "u8))
        {
            if (!TryReadName() || !TryTake("=\""u8) || !TryReadValue())
            {
                return false;
            }
        }

        return TryTake("]"u8);
    }

    private bool TryReadName()
    {
        var rest = Rest;
        var end = rest[..Math.Min(rest.Length, FieldRules.MostName + 1)].IndexOfAnyExcept(FieldRules.NameBytes);
        _at += Math.Max(end, 0);
        return end > 0;
    }

    /// <summary>Up to the quotation mark behind it.</summary>
    private bool TryReadValue()
    {
        while (true)
        {
            var special = Rest.IndexOfAny((byte)'"', (byte)'\\', (byte)']');
            if (special < 0)
            {
                return false;
            }

            _at += special + 1;
            switch (_bytes[_at - 1])
            {
                case (byte)'"':
                    return true;
                case (byte)']':
                    return false;
                default:
                    // What is escaped has no meaning here; a backslash in front of anything else is one itself.
                    _at += Rest is [(byte)'"' or (byte)'\\' or (byte)']', ..] ? 1 : 0;
                    break;
            }
        }
    }
}
