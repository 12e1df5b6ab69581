using System.Buffers;
using System.Text;

namespace Peregrine.Protocols.Tests.Handlers;

/// <summary>Words that end with a space. One with a ? is none and is skipped, one with a ! is none and there is no way to go on.</summary>
internal sealed class Words : IMessageReader<string>, IMessageWriter<string>
{
    public int MaxMessageSizeInBytes => 100_000;

    public bool TryParse(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out string message)
    {
        message = "";
        if (input.PositionOf((byte)' ') is not { } end)
        {
            examined = input.End;
            return false;
        }

        message = Encoding.ASCII.GetString(input.Slice(0, end));
        if (message.Contains('!', StringComparison.Ordinal))
        {
            throw new MessageFormatException($"{message} is the end.");
        }

        consumed = input.GetPosition(1, end);
        return message.Contains('?', StringComparison.Ordinal) ? throw new MessageFormatException($"{message} is no word.") : true;
    }

    public void Write(string message, IBufferWriter<byte> output)
    {
        if (message.Contains(' ', StringComparison.Ordinal))
        {
            throw new MessageFormatException("A word has no space.");
        }

        output.Write(Encoding.ASCII.GetBytes(message));
        output.Write(" "u8);
    }
}
