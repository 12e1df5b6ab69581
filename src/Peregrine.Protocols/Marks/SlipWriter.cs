using System.Buffers;
using Peregrine.Protocols.Marks;

namespace Peregrine.Protocols;

/// <summary>
/// SLIP (RFC 1055): the other side of <see cref="SlipReader"/>. A frame has a mark on both sides, so that what a line has brought before it is no part of it. An empty message is
/// refused with <see cref="MessageFormatException"/>: it would be no frame.
/// </summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class SlipWriter : IMessageWriter<ReadOnlySequence<byte>>, IMessageWriter<ReadOnlySpan<byte>>
{
    private readonly FrameMark _mark;

    /// <param name="maxMessageSizeInBytes">
    /// The most bytes that a frame may have, as it is escaped, and with a mark on both sides. From 3. Default 1 MiB. A larger one is refused with <see cref="MessageTooLargeException"/>.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The limit is out of its range.</exception>
    public SlipWriter(int maxMessageSizeInBytes = MessageSizes.DefaultMost) => _mark = new FrameMark(Slip.End, maxMessageSizeInBytes);

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        _mark.Begin(message.Length, output);
        var length = 0L;
        foreach (var segment in message)
        {
            length += WriteEscaped(segment.Span, output);
        }

        _mark.End(length, output);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        _mark.Begin(message.Length, output);
        _mark.End(WriteEscaped(message, output), output);
    }

    /// <returns>How many bytes it has become.</returns>
    private static long WriteEscaped(ReadOnlySpan<byte> bytes, IBufferWriter<byte> output)
    {
        var length = (long)bytes.Length;
        for (int run; (run = bytes.IndexOfAny(Slip.Escaped)) >= 0; bytes = bytes[(run + 1)..])
        {
            output.Write(bytes[..run]);
            output.Write([Slip.Escape, bytes[run] == Slip.End ? Slip.EscapedEnd : Slip.EscapedEscape]);
            length++;
        }

        output.Write(bytes);
        return length;
    }
}
