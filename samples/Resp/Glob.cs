namespace Resp;

/// <summary>Patterns of Redis: <c>*</c>, <c>?</c>, <c>[abc]</c>, <c>[^a-z]</c>, and <c>\</c> in front of what stands for itself.</summary>
internal static class Glob
{
    /// <summary>The last star alone is tried again, so that no pattern takes more than its length times that of the text.</summary>
    public static bool IsMatch(ReadOnlySpan<byte> pattern, ReadOnlySpan<byte> text)
    {
        int at = 0, star = -1, textAt = 0, starText = 0;
        while (textAt < text.Length)
        {
            var next = at;
            if (at < pattern.Length && pattern[at] == '*')
            {
                star = at++;
                starText = textAt;
            }
            else if (at < pattern.Length && MatchesOne(pattern, ref next, text[textAt]))
            {
                at = next;
                textAt++;
            }
            else if (star >= 0)
            {
                at = star + 1;
                textAt = ++starText;
            }
            else
            {
                return false;
            }
        }

        return !pattern[at..].ContainsAnyExcept((byte)'*');
    }

    private static bool MatchesOne(ReadOnlySpan<byte> pattern, ref int at, byte value)
    {
        switch (pattern[at++])
        {
            case (byte)'?':
                return true;
            case (byte)'[':
                return MatchesClass(pattern, ref at, value);
            case (byte)'\\' when at < pattern.Length:
                return pattern[at++] == value;
            default:
                return pattern[at - 1] == value;
        }
    }

    private static bool MatchesClass(ReadOnlySpan<byte> pattern, ref int at, byte value)
    {
        var isNegated = at < pattern.Length && pattern[at] == '^';
        at += isNegated ? 1 : 0;
        var isIn = false;
        while (at < pattern.Length && pattern[at] != ']')
        {
            if (pattern[at] == '\\' && at + 1 < pattern.Length)
            {
                at++;
            }

            var low = pattern[at++];
            var high = low;
            if (at + 1 < pattern.Length && pattern[at] == '-')
            {
                high = pattern[at + 1];
                at += 2;
            }

            isIn |= value >= Math.Min(low, high) && value <= Math.Max(low, high);
        }

        at = Math.Min(at + 1, pattern.Length);
        return isIn != isNegated;
    }
}
