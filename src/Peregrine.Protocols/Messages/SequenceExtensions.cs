using System.Buffers;

namespace Peregrine.Protocols;

internal static class SequenceExtensions
{
    /// <summary>The first byte, which need not be in the first segment.</summary>
    public static byte FirstByte(this in ReadOnlySequence<byte> bytes)
    {
        foreach (var segment in bytes)
        {
            if (!segment.IsEmpty)
            {
                return segment.Span[0];
            }
        }

        throw new InvalidOperationException("There are no bytes.");
    }

    /// <summary>The last byte. There is one.</summary>
    public static byte LastByte(this in ReadOnlySequence<byte> bytes) => bytes.Slice(bytes.Length - 1).FirstByte();

    public static void Write(this IBufferWriter<byte> output, in ReadOnlySequence<byte> bytes)
    {
        foreach (var segment in bytes)
        {
            output.Write(segment.Span);
        }
    }
}
