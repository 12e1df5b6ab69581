using System.Buffers;
using Peregrine.Protocols.LengthFields;

namespace Peregrine.Protocols;

/// <summary>
/// Frames that begin with their length. A message has what is in front of the length (<see cref="LengthFieldOptions.Offset"/>), and at once what is behind it;
/// the length is written between the two. <see cref="LengthFieldOptions.BytesToStrip"/> is the reader's alone.
/// </summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class LengthFieldWriter : IMessageWriter<ReadOnlySequence<byte>>, IMessageWriter<ReadOnlySpan<byte>>
{
    private readonly LengthField _field;

    /// <inheritdoc cref="LengthFieldReader(LengthFieldOptions?)"/>
    public LengthFieldWriter(LengthFieldOptions? options = null) => _field = new LengthField(options ?? new LengthFieldOptions());

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        ThrowIfTooShort(message.Length);
        output.Write(message.Slice(0, _field.Offset));
        WriteLength(message.Length, output);
        output.Write(message.Slice(_field.Offset));
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        ThrowIfTooShort(message.Length);
        output.Write(message[.._field.Offset]);
        WriteLength(message.Length, output);
        output.Write(message[_field.Offset..]);
    }

    private void ThrowIfTooShort(long length)
    {
        if (length < _field.Offset)
        {
            throw new MessageFormatException($"A message of {length} bytes has not what belongs in front of its length ({_field.Offset} bytes).");
        }
    }

    private void WriteLength(long messageLength, IBufferWriter<byte> output)
    {
        _field.WriteLength(output.GetSpan(_field.Width), messageLength + _field.Width);
        output.Advance(_field.Width);
    }
}
