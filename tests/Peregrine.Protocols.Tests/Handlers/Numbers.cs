using System.Buffers;

namespace Peregrine.Protocols.Tests.Handlers;

/// <summary>A byte is a message, and the message is a view that can be kept nowhere.</summary>
internal sealed class Numbers : IMessageReader<Numbers.Number>
{
    public bool TryParse(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out Number message)
    {
        message = new Number(input.FirstSpan[0]);
        consumed = input.GetPosition(1);
        return true;
    }

    public readonly ref struct Number(int value)
    {
        public int Value { get; } = value;
    }
}
