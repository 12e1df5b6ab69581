using System.Buffers;

namespace Peregrine.Protocols.Marks;

/// <summary>The 16-bit frame check sequence of RFC 1662, appendix C: x^16 + x^12 + x^5 + 1, the lowest bit first.</summary>
internal static class FrameCheckSequence
{
    public const int Length = 2;

    /// <summary>Where it begins.</summary>
    public const ushort Initial = 0xFFFF;

    /// <summary>What it comes to over a message and its sequence.</summary>
    public const ushort Good = 0xF0B8;

    private static readonly ushort[] s_ofByte = [.. Enumerable.Range(0, 256).Select(OfByte)];

    /// <summary>Goes on over further bytes. Its complement is what is sent, the lower byte first.</summary>
    public static ushort Add(ushort sequence, ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            sequence = (ushort)((sequence >> 8) ^ s_ofByte[(byte)(sequence ^ value)]);
        }

        return sequence;
    }

    /// <inheritdoc cref="Add(ushort, ReadOnlySpan{byte})"/>
    public static ushort Add(ushort sequence, in ReadOnlySequence<byte> bytes)
    {
        foreach (var segment in bytes)
        {
            sequence = Add(sequence, segment.Span);
        }

        return sequence;
    }

    private static ushort OfByte(int value)
    {
        for (var bit = 0; bit < 8; bit++)
        {
            value = (value & 1) == 0 ? value >> 1 : (value >> 1) ^ 0x8408;
        }

        return (ushort)value;
    }
}
