using System.Globalization;
using System.Text;

namespace Peregrine.Middleware.Logging;

/// <summary>Bytes in hexadecimal and ASCII, 16 in a line, with their offsets, as of <c>hexdump -C</c>.</summary>
internal static class HexDump
{
    private const int BytesInLine = 16;
    private const int LengthOfLine = 80;

    /// <param name="bytes">The bytes.</param>
    /// <param name="hidden">Which of them are shown as asterisks; empty for none.</param>
    /// <param name="offset">That of the first.</param>
    /// <param name="more">How many follow that are not shown.</param>
    public static string Of(ReadOnlySpan<byte> bytes, ReadOnlySpan<bool> hidden, long offset, long more)
    {
        var text = new StringBuilder(((bytes.Length / BytesInLine) + 2) * LengthOfLine);
        for (var start = 0; start < bytes.Length; start += BytesInLine)
        {
            var count = Math.Min(BytesInLine, bytes.Length - start);
            AppendLine(text, bytes.Slice(start, count), hidden.IsEmpty ? hidden : hidden.Slice(start, count), offset + start);
        }

        if (more > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"… {more} more bytes");
        }
        else if (text.Length > 0)
        {
            text.Length -= Environment.NewLine.Length;
        }

        return text.ToString();
    }

    private static void AppendLine(StringBuilder text, ReadOnlySpan<byte> bytes, ReadOnlySpan<bool> hidden, long offset)
    {
        text.Append(CultureInfo.InvariantCulture, $"{offset:x8}  ");
        for (var i = 0; i < BytesInLine; i++)
        {
            if (i >= bytes.Length)
            {
                text.Append("   ");
            }
            else if (IsHidden(hidden, i))
            {
                text.Append("** ");
            }
            else
            {
                text.Append(Digit(bytes[i] >> 4)).Append(Digit(bytes[i] & 0xF)).Append(' ');
            }
        }

        text.Append(" |");
        for (var i = 0; i < bytes.Length; i++)
        {
            // Nothing that a terminal acts on.
            text.Append(IsHidden(hidden, i) ? '*' : bytes[i] is >= 0x20 and < 0x7F ? (char)bytes[i] : '.');
        }

        text.Append('|').AppendLine();
    }

    private static bool IsHidden(ReadOnlySpan<bool> hidden, int index) => !hidden.IsEmpty && hidden[index];

    private static char Digit(int value) => (char)(value < 10 ? '0' + value : 'a' + value - 10);
}
