using System.Buffers;
using Peregrine.Protocols.LengthFields;

namespace Peregrine.Protocols;

/// <summary>Frames that begin with their length. A message is a view over what the frame has behind <see cref="LengthFieldOptions.BytesToStrip"/>, and may be empty.</summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class LengthFieldReader : IFrameFinder
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
        // Most frames are in one segment, and come whole.
        var first = input.FirstSpan;
        if (first.Length >= _field.HeaderLength && _field.FrameLengthOf(first.Slice(_field.Offset, _field.Width)) is var length && length <= first.Length)
        {
            SequenceParts.Take(input, _field.BytesToStrip, length, length, out message, ref consumed);
            return true;
        }

        return TryParseInParts(input, ref consumed, out message);
    }

    /// <inheritdoc/>
    int IFrameFinder.Find(ReadOnlySpan<byte> bytes, int from, Span<Frame> frames) => _field.Find(bytes, from, frames);

    private bool TryParseInParts(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, out ReadOnlySequence<byte> message)
    {
        message = default;
        if (input.Length < _field.HeaderLength)
        {
            return false;
        }

        Span<byte> field = stackalloc byte[LengthField.LargestWidth];
        input.Slice(_field.Offset, _field.Width).CopyTo(field);
        var length = _field.FrameLengthOf(field[.._field.Width]);
        if (input.Length < length)
        {
            return false;
        }

        message = input.Slice(_field.BytesToStrip, length - _field.BytesToStrip);
        consumed = message.End;
        return true;
    }
}
