using System.Buffers;
using System.Text.Unicode;

namespace Peregrine.Protocols.WireTexts;

internal static class Utf16
{
    /// <summary>The most bytes that a character is in UTF-8: half of a pair of surrogates has two of four.</summary>
    public const int MostBytesOfChar = 3;

    /// <summary>Encodes a text in UTF-8, or refuses it: nothing else is written in its place.</summary>
    /// <param name="text">The text.</param>
    /// <param name="bytes"><see cref="MostBytesOfChar"/> for each character are enough.</param>
    public static int Encode(ReadOnlySpan<char> text, Span<byte> bytes) =>
        Utf8.FromUtf16(text, bytes, out _, out var length, replaceInvalidSequences: false) == OperationStatus.Done
            ? length
            : throw new MessageFormatException("A text has half of a surrogate pair in it.");
}
