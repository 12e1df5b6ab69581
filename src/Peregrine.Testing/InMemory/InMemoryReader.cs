using System.Buffers;
using System.IO.Pipelines;

namespace Peregrine.Testing;

/// <summary>The reading end of a <see cref="OneWayPipe"/>.</summary>
internal sealed class InMemoryReader(OneWayPipe pipe) : PipeReader
{
    private readonly PipeReader _inner = pipe.Reader;
    private ReadOnlySequence<byte> _current;
    private long _consumed;
    private bool _mayAdvance;
    private volatile bool _pending;
    private volatile bool _completed;

    /// <summary>Bytes that were received and are not consumed.</summary>
    public long UnreadBytes => _completed ? 0 : pipe.BytesReceived - Volatile.Read(ref _consumed);

    public bool IsReading => _pending;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfPending();
        if (!_completed && pipe.ReadFailure is { } failure)
            return ValueTask.FromException<ReadResult>(failure);

        var read = _inner.ReadAsync(cancellationToken);
        if (!read.IsCompletedSuccessfully)
            return AwaitReadAsync(read);

        var result = read.Result;
        return pipe.ReadFailure is { } late ? ValueTask.FromException<ReadResult>(late) : new(Received(result));
    }

    public override bool TryRead(out ReadResult result)
    {
        ThrowIfPending();
        if (!_completed && pipe.ReadFailure is { } failure)
            throw failure;
        if (!_inner.TryRead(out result))
            return false;
        if (pipe.ReadFailure is { } late)
            throw late;
        result = Received(result);
        return true;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        ThrowIfPending();
        // The pipe notices a second call only after it has moved on.
        if (!_mayAdvance && !_completed)
            throw new InvalidOperationException("There is no read to advance.");
        long bytes = _current.IsEmpty ? 0 : _current.Slice(_current.Start, consumed).Length;
        _inner.AdvanceTo(consumed, examined);
        Volatile.Write(ref _consumed, _consumed + bytes);
        _current = default;
        _mayAdvance = false;
    }

    public override void CancelPendingRead() => _inner.CancelPendingRead();

    public override void Complete(Exception? exception = null)
    {
        if (_completed)
            return;
        _completed = true;
        _current = default;
        // The reason stays on this side: a peer across a network would not hear of it either.
        _inner.Complete();
        pipe.EndWrites();
    }

    private async ValueTask<ReadResult> AwaitReadAsync(ValueTask<ReadResult> read)
    {
        // A second read would make the pipe fail both its ends; it is refused here instead.
        _pending = true;
        ReadResult result;
        try
        {
            result = await read.ConfigureAwait(false);
        }
        finally
        {
            _pending = false;
        }

        return pipe.ReadFailure is { } failure ? throw failure : Received(result);
    }

    private ReadResult Received(in ReadResult result)
    {
        _mayAdvance = true;
        long readable = pipe.ReadableBytes - _consumed;
        _current = result.Buffer.Length > readable ? result.Buffer.Slice(0, readable) : result.Buffer;
        pipe.CountReceived(_consumed + _current.Length);
        return new ReadResult(_current, result.IsCanceled, result.IsCompleted);
    }

    private void ThrowIfPending()
    {
        if (_pending)
            throw new InvalidOperationException("A read is pending; one operation at a time is allowed.");
    }
}
