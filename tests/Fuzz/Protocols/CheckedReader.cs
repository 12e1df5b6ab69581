using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Peregrine.Protocols;

namespace Peregrine.Fuzz.Protocols;

/// <summary>A reader that keeps to <see cref="IMessageReader{TMessage}"/>: where it stands is in the input, and it allocates nothing because a peer says so.</summary>
internal sealed class CheckedReader<TMessage>(IMessageReader<TMessage> format) : IMessageReader<TMessage>
    where TMessage : allows ref struct
{
    /// <summary>Far more than the inputs and what a runtime makes for a first call, far less than a length can say.</summary>
    private const long MaxAllocated = 4 << 20;

    public int MaxMessageSizeInBytes => format.MaxMessageSizeInBytes;

    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, [MaybeNullWhen(false)] out TMessage message)
    {
        ReaderTarget.Require(!input.IsEmpty && consumed.Equals(input.Start), "It is asked in the wrong way.");
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            var isFound = format.TryParse(input, ref consumed, ref examined, out message);
            ReaderTarget.Require(!isFound || input.GetOffset(consumed) > input.GetOffset(input.Start), "A message has no bytes.");
            return isFound;
        }
        finally
        {
            ReaderTarget.Require(GC.GetAllocatedBytesForCurrentThread() - before < MaxAllocated, "It allocates too much.");

            // They throw what no reader may throw, if it is not a position of the input.
            _ = input.Slice(consumed);
            _ = input.Slice(examined);
        }
    }

    public bool TryParseLast(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, [MaybeNullWhen(false)] out TMessage message)
    {
        try
        {
            return format.TryParseLast(input, ref consumed, out message);
        }
        finally
        {
            _ = input.Slice(consumed);
        }
    }

    public void ReturnBuffers() => format.ReturnBuffers();
}
