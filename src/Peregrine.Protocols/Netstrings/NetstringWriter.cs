using System.Buffers;
using System.Globalization;
using Peregrine.Protocols.Netstrings;

namespace Peregrine.Protocols;

/// <summary>Netstrings (<c>5:hello,</c>): the other side of <see cref="NetstringReader"/>.</summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class NetstringWriter : IMessageWriter<ReadOnlySequence<byte>>, IMessageWriter<ReadOnlySpan<byte>>
{
    private readonly int _maxMessageSize;

    /// <param name="maxMessageSizeInBytes">
    /// The most bytes that a netstring may have, with its length and marks. From 3. Default 1 MiB. A larger one is refused with <see cref="MessageTooLargeException"/>.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The limit is out of its range.</exception>
    public NetstringWriter(int maxMessageSizeInBytes = MessageSizes.DefaultMost)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxMessageSizeInBytes, Netstring.FewestBytes);
        _maxMessageSize = maxMessageSizeInBytes;
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        WriteLength(message.Length, output);
        output.Write(message);
        output.Write(","u8);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        WriteLength(message.Length, output);
        output.Write(message);
        output.Write(","u8);
    }

    private void WriteLength(long length, IBufferWriter<byte> output)
    {
        if (Netstring.SizeOf(length) > _maxMessageSize)
        {
            throw new MessageTooLargeException(Netstring.SizeOf(length), _maxMessageSize);
        }

        var header = output.GetSpan(Netstring.MostOfHeader);
        length.TryFormat(header, out var digits, provider: CultureInfo.InvariantCulture);
        header[digits] = (byte)':';
        output.Advance(digits + 1);
    }
}
