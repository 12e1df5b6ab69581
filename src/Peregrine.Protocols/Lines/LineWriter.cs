using System.Buffers;
using Peregrine.Protocols.Lines;

namespace Peregrine.Protocols;

/// <summary>
/// Lines. A message that has the end of a line in it would be two at the other side, one of them of somebody else's making, and is refused: with
/// <see cref="LineEnding.Lf"/> one that has an LF; otherwise one that has a CR or an LF, because there are readers that take either for an end.
/// </summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class LineWriter : IMessageWriter<ReadOnlySequence<byte>>, IMessageWriter<ReadOnlySpan<byte>>
{
    private readonly LineFormat _format;

    /// <inheritdoc cref="LineReader(LineOptions?)"/>
    public LineWriter(LineOptions? options = null) => _format = new LineFormat(options ?? new LineOptions());

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        ThrowIfTooLong(message.Length);
        foreach (var segment in message)
        {
            WritePart(segment.Span, output);
        }

        output.Write(_format.WrittenEnd);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        ThrowIfTooLong(message.Length);
        WritePart(message, output);
        output.Write(_format.WrittenEnd);
    }

    private void WritePart(ReadOnlySpan<byte> part, IBufferWriter<byte> output)
    {
        if (_format.HasEnd(part))
        {
            throw new MessageFormatException("A message has the end of a line in it, and would be two lines.");
        }

        output.Write(part);
    }

    private void ThrowIfTooLong(long length)
    {
        if (length + _format.WrittenEnd.Length is var size && size > _format.MaxSize)
        {
            throw new MessageTooLargeException(size, _format.MaxSize);
        }
    }
}
