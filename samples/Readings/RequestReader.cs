using System.Buffers;
using Peregrine.Protocols;

namespace Readings;

/// <summary>Frames with a length of two bytes, and in each a kind, a sensor (two bytes) and, if it has measured, a value (four). All in network order.</summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class RequestReader : IMessageReader<Request>
{
    private readonly LengthFieldReader _frames = new(new LengthFieldOptions { Width = 2, MaxMessageSizeInBytes = 64 });

    public int MaxMessageSizeInBytes => _frames.MaxMessageSizeInBytes;

    public bool TryParse(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out Request message)
    {
        message = default;
        if (!_frames.TryParse(input, ref consumed, ref examined, out var frame))
        {
            return false;
        }

        // From here on, consumed is behind the frame: what is thrown is about this message, and the next one can be read.
        message = Parse(new SequenceReader<byte>(frame));
        return true;
    }

    private static Request Parse(SequenceReader<byte> body)
    {
        if (!body.TryRead(out var kind) || !body.TryReadBigEndian(out short sensor))
        {
            throw new MessageFormatException($"A frame of {body.Length} bytes has no kind and no sensor.");
        }

        var hundredths = 0;
        if ((RequestKind)kind == RequestKind.Measured && !body.TryReadBigEndian(out hundredths))
        {
            throw new MessageFormatException("There is no value for what was measured.");
        }

        return Enum.IsDefined((RequestKind)kind) && body.End
            ? new Request((RequestKind)kind, (ushort)sensor, hundredths)
            : throw new MessageFormatException($"A frame of kind {kind} and {body.Length} bytes is not known.");
    }
}
