using System.Buffers;

namespace Peregrine.Middleware.Pipes;

/// <summary>
/// Tells the bytes of a read that are new from those that were there before. Of the flow that reads; the counts may be looked at by others.
/// </summary>
internal struct ReadTally
{
    private ReadOnlySequence<byte> _buffer;
    private long _known;
    private long _received;

    /// <summary>All that were read, ever.</summary>
    public readonly long Received => Volatile.Read(in _received);

    /// <summary>Those that are not consumed.</summary>
    public readonly long Unread => Volatile.Read(in _known);

    /// <returns>How many bytes at its start were there before.</returns>
    public long OnRead(in ReadOnlySequence<byte> buffer)
    {
        var known = _known;
        _buffer = buffer;
        var length = buffer.Length;
        Volatile.Write(ref _received, _received + length - known);
        Volatile.Write(ref _known, length);
        return known;
    }

    /// <summary>How many will be unread. Before the inner reader advances: the buffer is not this side's any more afterwards.</summary>
    /// <remarks>A position that is not in the buffer is the inner reader's to refuse.</remarks>
    public readonly long LeftAfter(SequencePosition consumed)
    {
        try
        {
            return consumed.Equals(_buffer.End) ? 0 : consumed.Equals(_buffer.Start) ? _known : _buffer.Slice(consumed).Length;
        }
        catch (Exception)
        {
            return _known;
        }
    }

    /// <summary>The inner reader has advanced.</summary>
    public void OnAdvanced(long left)
    {
        _buffer = default;
        Volatile.Write(ref _known, left);
    }
}
