using System.Buffers;

namespace Peregrine.Protocols.Tests;

/// <summary>A codec as a framing: of what it hands out, the bytes that the tests look at.</summary>
internal sealed class MappedReader<TMessage>(IMessageReader<TMessage> format, Func<TMessage, ReadOnlySequence<byte>> bytesOf) : IMessageReader<ReadOnlySequence<byte>>
{
    public int MaxMessageSizeInBytes => format.MaxMessageSizeInBytes;

    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
    {
        var isFound = format.TryParse(input, ref consumed, ref examined, out var found);
        message = isFound ? bytesOf(found!) : default;
        return isFound;
    }

    public bool TryParseLast(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, out ReadOnlySequence<byte> message)
    {
        var isFound = format.TryParseLast(input, ref consumed, out var found);
        message = isFound ? bytesOf(found!) : default;
        return isFound;
    }
}

/// <summary>The other side of it.</summary>
internal sealed class MappedWriter<TMessage>(IMessageWriter<TMessage> format, Func<ReadOnlySequence<byte>, TMessage> messageOf) : IMessageWriter<ReadOnlySequence<byte>>
{
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output) => format.Write(messageOf(message), output);
}
