using System.Buffers;
using Peregrine.Protocols.Cobs;
using Peregrine.Protocols.Marks;

namespace Peregrine.Protocols;

/// <summary>
/// Consistent overhead byte stuffing, ended by a zero byte: the other side of <see cref="CobsReader"/>. A message becomes longer by one byte, by one for each 254 bytes without a zero, and by the zero
/// at its end; an empty one is a frame of one code.
/// </summary>
/// <remarks>It has no state: one serves any number of connections.</remarks>
public sealed class CobsWriter : IMessageWriter<ReadOnlySequence<byte>>, IMessageWriter<ReadOnlySpan<byte>>
{
    private readonly FrameMark _mark;

    /// <param name="maxMessageSizeInBytes">
    /// The most bytes that a frame may have, with its codes, and with a zero on both sides, of which the first one is not written. From 3. Default 1 MiB. A larger one is refused
    /// with <see cref="MessageTooLargeException"/>.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The limit is out of its range.</exception>
    public CobsWriter(int maxMessageSizeInBytes = MessageSizes.DefaultMost) => _mark = new FrameMark(CobsCode.Delimiter, maxMessageSizeInBytes);

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        _mark.ThrowIfTooLarge(message.Length + 1);
        var runs = new CobsRuns(output);
        foreach (var segment in message)
        {
            runs.Write(segment.Span);
        }

        _mark.End(runs.End(), output);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        _mark.ThrowIfTooLarge(message.Length + 1L);
        var runs = new CobsRuns(output);
        runs.Write(message);
        _mark.End(runs.End(), output);
    }
}
