using System.Buffers;

namespace Peregrine.Protocols;

/// <summary>Messages of the same size each, with nothing around them. One of another size is refused with <see cref="MessageFormatException"/>.</summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class FixedSizeWriter : IMessageWriter<ReadOnlySequence<byte>>, IMessageWriter<ReadOnlySpan<byte>>
{
    private readonly int _size;

    /// <inheritdoc cref="FixedSizeReader(int)"/>
    public FixedSizeWriter(int sizeInBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sizeInBytes);
        _size = sizeInBytes;
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        ThrowIfOfAnotherSize(message.Length);
        output.Write(message);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        ThrowIfOfAnotherSize(message.Length);
        output.Write(message);
    }

    private void ThrowIfOfAnotherSize(long length)
    {
        if (length != _size)
        {
            throw new MessageFormatException($"A message of {length} bytes is not one of {_size}.");
        }
    }
}
