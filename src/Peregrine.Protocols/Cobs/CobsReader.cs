using System.Buffers;
using Peregrine.Protocols.Cobs;
using Peregrine.Protocols.Marks;

namespace Peregrine.Protocols;

/// <summary>
/// Consistent overhead byte stuffing (Cheshire and Baker, 1999): frames that end with a zero byte and have no other. A code in front of each run of other bytes says how
/// long it is, and whether a zero follows. A message may be empty; nothing between two zeros is no message.
/// </summary>
/// <remarks>
/// <para>A code that says more than the frame has is a <see cref="MessageFormatException"/>; the frame is skipped, and reading can go on.</para>
/// <para>A message of one run, of up to 254 bytes without a zero, is a view over the input. Others are decoded into pooled memory, which goes back before the next read of the
/// input. It has state: one serves one connection.</para>
/// </remarks>
public sealed class CobsReader : IMessageReader<ReadOnlySequence<byte>>
{
    private readonly FrameMark _mark;
    private readonly DecodedBytes _decoded = new();

    /// <param name="maxMessageSizeInBytes">
    /// The most bytes that a frame may have, with its codes, and with a zero on both sides, whether or not the first one is there. From 3. Default 1 MiB. Above it, it is refused as
    /// soon as so many bytes are there.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The limit is out of its range.</exception>
    public CobsReader(int maxMessageSizeInBytes = MessageSizes.DefaultMost) => _mark = new FrameMark(CobsCode.Delimiter, maxMessageSizeInBytes);

    /// <inheritdoc/>
    public int MaxMessageSizeInBytes => _mark.MaxMessageSizeInBytes;

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
    {
        if (!_mark.TryTake(input, ref consumed, ref examined, out message))
        {
            return false;
        }

        // The whole frame is one run.
        if (message.FirstByte() == message.Length)
        {
            message = message.Slice(1);
        }
        else
        {
            var encoded = _decoded.Place(message, out var room);
            message = _decoded.Take(Decode(encoded, room));
        }

        return true;
    }

    /// <inheritdoc/>
    public void ReturnBuffers() => _decoded.Return();

    private static int Decode(ReadOnlySpan<byte> encoded, Span<byte> decoded)
    {
        var length = 0;
        while (true)
        {
            var code = encoded[0];
            if (code > encoded.Length)
            {
                throw new MessageFormatException($"A code of COBS says {code - 1} bytes, and the frame has {encoded.Length - 1}.");
            }

            encoded[1..code].CopyTo(decoded[length..]);
            length += code - 1;
            encoded = encoded[code..];
            if (encoded.IsEmpty)
            {
                return length;
            }

            if (code != CobsCode.FullRun)
            {
                decoded[length++] = 0;
            }
        }
    }
}
