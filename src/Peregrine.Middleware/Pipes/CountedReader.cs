using System.Buffers;
using System.IO.Pipelines;

namespace Peregrine.Middleware.Pipes;

/// <summary>Counts what is read, each byte when it is seen for the first time. The counts may be looked at from any thread, and are a little old then.</summary>
internal class CountedReader(PipeReader inner) : DelegatingPipeReader(inner)
{
    private ReadTally _tally;

    /// <summary>All that were read, ever.</summary>
    public long BytesReceived => _tally.Received;

    /// <summary>Those that are not consumed.</summary>
    public long UnreadBytes => _tally.Unread;

    /// <summary>A read waits for bytes.</summary>
    public bool IsReadPending => IsReading;

    /// <param name="bytes">What was not seen before.</param>
    /// <param name="isCompleted">Nothing follows.</param>
    protected virtual void OnNewBytes(in ReadOnlySequence<byte> bytes, bool isCompleted)
    {
    }

    protected sealed override ReadResult OnRead(ReadResult result)
    {
        var known = _tally.OnRead(result.Buffer);
        OnNewBytes(result.Buffer.Slice(known), result.IsCompleted);
        return result;
    }

    protected sealed override void OnAdvance(SequencePosition consumed, SequencePosition examined)
    {
        var left = _tally.LeftAfter(consumed);
        Inner.AdvanceTo(consumed, examined);
        _tally.OnAdvanced(left);
    }
}
