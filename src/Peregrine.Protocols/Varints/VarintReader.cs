using System.Buffers;

namespace Peregrine.Protocols;

/// <summary>
/// Messages that begin with their length as a base-128 varint, as Protocol Buffers has it in streams: seven bits in a byte, the least significant ones first, and the
/// highest bit set in all but the last byte. A message is a view over what is behind the length, and may be empty.
/// </summary>
/// <remarks>
/// A length in more bytes than it needs is accepted, as Protocol Buffers does; one that does not end in its last byte, or has more bits than
/// <see cref="VarintOptions.Is64Bit"/> says, is a <see cref="MessageFormatException"/>. It has no state: one serves any number of connections.
/// </remarks>
public sealed class VarintReader : IMessageReader<ReadOnlySequence<byte>>
{
    private const int MaxWidth = 10;

    private readonly int _maxWidth;
    private readonly int _bits;

    /// <param name="options">Read once. Null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public VarintReader(VarintOptions? options = null)
    {
        options ??= new VarintOptions();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxMessageSizeInBytes);
        MaxMessageSizeInBytes = options.MaxMessageSizeInBytes;
        (_maxWidth, _bits) = options.Is64Bit ? (MaxWidth, 64) : (5, 32);
    }

    /// <inheritdoc/>
    public int MaxMessageSizeInBytes { get; }

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
    {
        message = default;
        scoped var prefix = input.FirstSpan;
        if (prefix.Length < _maxWidth && !input.IsSingleSegment)
        {
            Span<byte> copy = stackalloc byte[MaxWidth];
            var length = (int)Math.Min(_maxWidth, input.Length);
            input.Slice(0, length).CopyTo(copy);
            prefix = copy[..length];
        }

        if (!TryReadLength(prefix, out var counted, out var width))
        {
            return false;
        }

        if (counted > (ulong)Math.Max(0, MaxMessageSizeInBytes - width) || width > MaxMessageSizeInBytes)
        {
            throw new MessageTooLargeException($"A length of {counted} is larger than MaxMessageSizeInBytes ({MaxMessageSizeInBytes}) allows.");
        }

        if (input.Length - width < (long)counted)
        {
            return false;
        }

        message = input.Slice(width, (long)counted);
        consumed = message.End;
        return true;
    }

    private bool TryReadLength(scoped ReadOnlySpan<byte> prefix, out ulong length, out int width)
    {
        length = 0;
        for (width = 0; width < Math.Min(_maxWidth, prefix.Length);)
        {
            var value = prefix[width];
            var shift = 7 * width++;

            // The last byte has only so many bits that count.
            if (width == _maxWidth && value >> (_bits - shift) != 0)
            {
                throw new MessageFormatException($"A length is not a varint of {_bits} bits: it does not end, or says more.");
            }

            length |= (ulong)(value & 0x7F) << shift;
            if (value < 0x80)
            {
                return true;
            }
        }

        return false;
    }
}
