using System.Buffers;
using Peregrine.Protocols.Netstrings;

namespace Peregrine.Protocols;

/// <summary>
/// Netstrings, as D. J. Bernstein has defined them: the length in decimal digits, a colon, the bytes, a comma (<c>5:hello,</c>). A message is a view over the bytes, and may
/// be empty (<c>0:,</c>). A length with a zero in front of it is refused.
/// </summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class NetstringReader : IMessageReader<ReadOnlySequence<byte>>
{
    /// <param name="maxMessageSizeInBytes">
    /// The most bytes that a netstring may have, with its length and marks. From 3. Default 1 MiB. Above it, one is refused as soon as the digits that are there say so.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The limit is out of its range.</exception>
    public NetstringReader(int maxMessageSizeInBytes = MessageSizes.DefaultMost)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxMessageSizeInBytes, Netstring.FewestBytes);
        MaxMessageSizeInBytes = maxMessageSizeInBytes;
    }

    /// <inheritdoc/>
    public int MaxMessageSizeInBytes { get; }

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
    {
        message = default;
        scoped var header = input.FirstSpan;
        if (header.Length < Netstring.MostOfHeader && !input.IsSingleSegment)
        {
            Span<byte> copy = stackalloc byte[Netstring.MostOfHeader];
            var headerLength = (int)Math.Min(Netstring.MostOfHeader, input.Length);
            input.Slice(0, headerLength).CopyTo(copy);
            header = copy[..headerLength];
        }

        if (!TryReadLength(header, out var length, out var start) || input.Length <= start + length)
        {
            return false;
        }

        message = input.Slice(start, length);
        if (input.Slice(message.End).FirstByte() != (byte)',')
        {
            throw new MessageFormatException("A netstring does not end with a comma.");
        }

        consumed = input.GetPosition(1, message.End);
        return true;
    }

    private bool TryReadLength(scoped ReadOnlySpan<byte> header, out long length, out int start)
    {
        length = 0;
        for (start = 0; start < header.Length;)
        {
            var value = header[start++];
            if (value == ':' && start > 1)
            {
                return true;
            }

            if (!char.IsAsciiDigit((char)value) || (start == 2 && header[0] == '0'))
            {
                throw new MessageFormatException("A netstring begins with a length in decimal digits, with no zero in front, and a colon.");
            }

            // It is no longer than the limit has digits, and so does not overflow.
            length = (10 * length) + (value - '0');
            if (Netstring.SizeOf(length) > MaxMessageSizeInBytes)
            {
                throw new MessageTooLargeException(Netstring.SizeOf(length), MaxMessageSizeInBytes);
            }
        }

        return false;
    }
}
