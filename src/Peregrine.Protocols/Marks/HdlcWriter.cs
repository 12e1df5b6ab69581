using System.Buffers;
using Peregrine.Protocols.Marks;

namespace Peregrine.Protocols;

/// <summary>
/// Frames like those of HDLC on asynchronous lines (RFC 1662, 4): the other side of <see cref="HdlcReader"/>. A frame has a flag on both sides. An empty message is refused
/// with <see cref="MessageFormatException"/>: it would be no frame.
/// </summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class HdlcWriter : IMessageWriter<ReadOnlySequence<byte>>, IMessageWriter<ReadOnlySpan<byte>>
{
    private readonly Hdlc _hdlc;

    /// <inheritdoc cref="HdlcReader(HdlcOptions?)"/>
    public HdlcWriter(HdlcOptions? options = null) => _hdlc = new Hdlc(options ?? new HdlcOptions());

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        _hdlc.Mark.Begin(message.Length, output);
        var length = 0L;
        foreach (var segment in message)
        {
            length += WriteEscaped(segment.Span, output);
        }

        if (_hdlc.CheckLength > 0)
        {
            length += WriteCheck(FrameCheckSequence.Add(FrameCheckSequence.Initial, message), output);
        }

        _hdlc.Mark.End(length, output);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        _hdlc.Mark.Begin(message.Length, output);
        var length = WriteEscaped(message, output);
        if (_hdlc.CheckLength > 0)
        {
            length += WriteCheck(FrameCheckSequence.Add(FrameCheckSequence.Initial, message), output);
        }

        _hdlc.Mark.End(length, output);
    }

    /// <returns>How many bytes it has become.</returns>
    private long WriteEscaped(ReadOnlySpan<byte> bytes, IBufferWriter<byte> output)
    {
        var length = (long)bytes.Length;
        for (int run; (run = bytes.IndexOfAny(_hdlc.ToEscape)) >= 0; bytes = bytes[(run + 1)..])
        {
            output.Write(bytes[..run]);
            output.Write([Hdlc.Escape, (byte)(bytes[run] ^ Hdlc.EscapedBit)]);
            length++;
        }

        output.Write(bytes);
        return length;
    }

    private long WriteCheck(ushort sequence, IBufferWriter<byte> output) => WriteEscaped([(byte)~sequence, (byte)(~sequence >> 8)], output);
}
