using System.Buffers;
using Peregrine.Protocols.LengthFields;

namespace Peregrine.Protocols;

/// <summary>Frames that begin with their length. A message is a view over what the frame has behind <see cref="LengthFieldOptions.BytesToStrip"/>, and may be empty.</summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class LengthFieldReader : IMessageReader<ReadOnlySequence<byte>>
{
    private readonly LengthField _field;

    /// <param name="options">Read once. Null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public LengthFieldReader(LengthFieldOptions? options = null) => _field = new LengthField(options ?? new LengthFieldOptions());

    /// <inheritdoc/>
    public int MaxMessageSizeInBytes => _field.MaxFrameLength;

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
    {
        message = default;
        scoped ReadOnlySpan<byte> field;
        if (input.FirstSpan.Length >= _field.HeaderLength)
        {
            field = input.FirstSpan.Slice(_field.Offset, _field.Width);
        }
        else if (input.Length >= _field.HeaderLength)
        {
            Span<byte> copy = stackalloc byte[LengthField.LargestWidth];
            input.Slice(_field.Offset, _field.Width).CopyTo(copy);
            field = copy[.._field.Width];
        }
        else
        {
            return false;
        }

        var length = _field.FrameLengthOf(field);
        if (input.Length < length)
        {
            return false;
        }

        message = input.Slice(_field.BytesToStrip, length - _field.BytesToStrip);
        consumed = message.End;
        return true;
    }
}
