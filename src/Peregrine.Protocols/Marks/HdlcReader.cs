using System.Buffers;
using Peregrine.Protocols.Marks;

namespace Peregrine.Protocols;

/// <summary>
/// Frames like those of HDLC on asynchronous lines (RFC 1662, 4): they are between flags, 0x7E, of which two frames may share one; in them, 0x7D says that the byte behind it has its bit
/// 0x20 inverted. What address, control and protocol fields say is the message's. Nothing between two flags is no message, so that there are no empty ones.
/// </summary>
/// <remarks>
/// <para>A frame that its sender has aborted (0x7D 0x7E), or that has nothing besides its check sequence, is dropped without a word, as the RFC has it. What comes before the first flag is
/// taken for a frame; a check sequence finds that it is none.</para>
/// <para>A message with nothing escaped is a view over the input. Others are decoded into pooled memory, which goes back before the next read of the input. It
/// has state: one serves one connection.</para>
/// </remarks>
public sealed class HdlcReader : IMessageReader<ReadOnlySequence<byte>>
{
    private readonly Hdlc _hdlc;
    private readonly DecodedBytes _decoded = new();

    /// <param name="options">Read once. Null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public HdlcReader(HdlcOptions? options = null) => _hdlc = new Hdlc(options ?? new HdlcOptions());

    /// <inheritdoc/>
    public int MaxMessageSizeInBytes => _hdlc.Mark.MaxMessageSizeInBytes;

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
    {
        if (!_hdlc.Mark.TryTake(input, ref consumed, ref examined, out message))
        {
            return false;
        }

        message = IsPlain(message) ? message : Decode(message);
        if (message.Length <= _hdlc.CheckLength)
        {
            return false;
        }

        if (_hdlc.CheckLength > 0)
        {
            if (FrameCheckSequence.Add(FrameCheckSequence.Initial, message) != FrameCheckSequence.Good)
            {
                throw new MessageFormatException("The check sequence of a frame is wrong.");
            }

            message = message.Slice(0, message.Length - _hdlc.CheckLength);
        }

        return true;
    }

    /// <inheritdoc/>
    public void ReturnBuffers() => _decoded.Return();

    /// <returns>Empty if the frame was aborted.</returns>
    private ReadOnlySequence<byte> Decode(in ReadOnlySequence<byte> frame)
    {
        var encoded = _decoded.Place(frame, out var decoded);
        var length = 0;
        var isEscaped = false;
        for (int run; (run = isEscaped ? 0 : encoded.IndexOfAny(_hdlc.ToDecode)) >= 0 && !encoded.IsEmpty; encoded = encoded[(run + 1)..])
        {
            encoded[..run].CopyTo(decoded[length..]);
            length += run;
            var value = encoded[run];
            if (_hdlc.IsMapped(value))
            {
                continue;
            }

            if (isEscaped)
            {
                decoded[length++] = (byte)(value ^ Hdlc.EscapedBit);
            }

            isEscaped = !isEscaped;
        }

        encoded.CopyTo(decoded[length..]);
        length += encoded.Length;
        return isEscaped ? default : _decoded.Take(length);
    }

    private bool IsPlain(in ReadOnlySequence<byte> frame)
    {
        foreach (var segment in frame)
        {
            if (segment.Span.ContainsAny(_hdlc.ToDecode))
            {
                return false;
            }
        }

        return true;
    }
}
