using System.Buffers;
using Peregrine.Protocols.Marks;

namespace Peregrine.Protocols;

/// <summary>
/// SLIP (RFC 1055): frames that end with the byte 0xC0, and may begin with one, in which 0xDB 0xDC and 0xDB 0xDD are 0xC0 and 0xDB. Nothing between two marks is no message, so that
/// there are no empty ones.
/// </summary>
/// <remarks>
/// <para>Any other byte behind 0xDB is a <see cref="MessageFormatException"/>; the frame is skipped, and reading can go on.</para>
/// <para>A message with nothing escaped is a view over the input. Others are decoded into pooled memory, which goes back before the next read of the input. It
/// has state: one serves one connection.</para>
/// </remarks>
public sealed class SlipReader : IMessageReader<ReadOnlySequence<byte>>
{
    private readonly FrameMark _mark;
    private readonly DecodedBytes _decoded = new();

    /// <param name="maxMessageSizeInBytes">
    /// The most bytes that a frame may have, as it is escaped, and with a mark on both sides. From 3. Default 1 MiB. Above it, it is refused as soon as so many bytes are there.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The limit is out of its range.</exception>
    public SlipReader(int maxMessageSizeInBytes = MessageSizes.DefaultMost) => _mark = new FrameMark(Slip.End, maxMessageSizeInBytes);

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

        if (message.PositionOf(Slip.Escape) is not null)
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
        for (int run; (run = encoded.IndexOf(Slip.Escape)) >= 0; encoded = encoded[(run + 2)..])
        {
            encoded[..run].CopyTo(decoded[length..]);
            length += run;
            decoded[length++] = encoded[run..] switch
            {
                [_, Slip.EscapedEnd, ..] => Slip.End,
                [_, Slip.EscapedEscape, ..] => Slip.Escape,
                _ => throw new MessageFormatException("A frame of SLIP has something else behind its escape byte than 0xDC or 0xDD."),
            };
        }

        encoded.CopyTo(decoded[length..]);
        return length + encoded.Length;
    }
}
