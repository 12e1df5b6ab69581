using System.Buffers;

namespace Peregrine.Protocols;

/// <summary>Messages that begin with their length as a base-128 varint, in as few bytes as it needs: the other side of <see cref="VarintReader"/>.</summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class VarintWriter : IMessageWriter<ReadOnlySequence<byte>>, IMessageWriter<ReadOnlySpan<byte>>
{
    /// <summary>What a length that a message can have needs.</summary>
    private const int MaxWidth = 5;

    private readonly int _maxMessageSize;

    /// <inheritdoc cref="VarintReader(VarintOptions?)"/>
    public VarintWriter(VarintOptions? options = null)
    {
        options ??= new VarintOptions();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxMessageSizeInBytes);
        _maxMessageSize = options.MaxMessageSizeInBytes;
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        WriteLength(message.Length, output);
        output.Write(message);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        WriteLength(message.Length, output);
        output.Write(message);
    }

    private void WriteLength(long length, IBufferWriter<byte> output)
    {
        if (length > _maxMessageSize)
        {
            throw new MessageTooLargeException(length, _maxMessageSize);
        }

        var prefix = output.GetSpan(MaxWidth);
        var width = 0;
        for (var rest = (uint)length; ; rest >>= 7)
        {
            if (rest < 0x80)
            {
                prefix[width++] = (byte)rest;
                break;
            }

            prefix[width++] = (byte)(rest | 0x80);
        }

        if (length + width > _maxMessageSize)
        {
            throw new MessageTooLargeException(length + width, _maxMessageSize);
        }

        output.Advance(width);
    }
}
