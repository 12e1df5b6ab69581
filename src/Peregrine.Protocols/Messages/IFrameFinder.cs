using System.Buffers;

namespace Peregrine.Protocols;

/// <summary>A message in its frame. All three are counted from the same place, in bytes.</summary>
/// <param name="Start">Where the message begins.</param>
/// <param name="End">Where it ends.</param>
/// <param name="Next">Where the next frame begins.</param>
internal readonly record struct Frame(int Start, int End, int Next);

/// <summary>A format without state, whose messages are parts of what was received, and that finds many of them in one call.</summary>
internal interface IFrameFinder : IMessageReader<ReadOnlySequence<byte>>
{
    /// <summary>Finds the first frames, one behind the other.</summary>
    /// <param name="bytes">What was received.</param>
    /// <param name="from">Where the first frame begins in it.</param>
    /// <param name="frames">Where they are told.</param>
    /// <returns>
    /// How many there are. It ends in front of what <see cref="IMessageReader{TMessage}.TryParse"/> would throw for, of a frame that is larger than
    /// <see cref="IMessageReader{TMessage}.MaxMessageSizeInBytes"/>, and of one that is not whole.
    /// </returns>
    int Find(ReadOnlySpan<byte> bytes, int from, Span<Frame> frames);
}
