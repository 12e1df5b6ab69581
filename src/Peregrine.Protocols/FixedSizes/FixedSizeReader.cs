using System.Buffers;

namespace Peregrine.Protocols;

/// <summary>Messages of the same size each, with nothing around them. A message is a view.</summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class FixedSizeReader : IMessageReader<ReadOnlySequence<byte>>
{
    /// <param name="sizeInBytes">Of each message. From 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is not positive.</exception>
    public FixedSizeReader(int sizeInBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sizeInBytes);
        MaxMessageSizeInBytes = sizeInBytes;
    }

    /// <summary>The size of each message.</summary>
    public int MaxMessageSizeInBytes { get; }

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
    {
        if (input.Length < MaxMessageSizeInBytes)
        {
            message = default;
            return false;
        }

        message = input.Slice(0, MaxMessageSizeInBytes);
        consumed = message.End;
        return true;
    }
}
