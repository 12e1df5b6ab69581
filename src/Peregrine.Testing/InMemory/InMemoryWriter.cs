using System.Buffers;
using System.IO.Pipelines;
using Peregrine.Features;

namespace Peregrine.Testing;

/// <summary>The writing end of a <see cref="OneWayPipe"/>.</summary>
internal sealed class InMemoryWriter(OneWayPipe pipe, DiscardingBuffer discarding, Action onCompleted) : PipeWriter
{
    private readonly PipeWriter _inner = pipe.Writer;
    private volatile bool _pending;
    private volatile bool _completed;
    private bool _discards;

    public bool IsFlushing => _pending;

    public IUnsentBytesLimit? Limit { get; set; }

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _discards ? discarding.UnflushedBytes : _inner.UnflushedBytes;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        KeepBound();
        return _discards && !_completed ? discarding.GetMemory(sizeHint) : _inner.GetMemory(sizeHint);
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        KeepBound();
        return _discards && !_completed ? discarding.GetMemory(sizeHint).Span : _inner.GetSpan(sizeHint);
    }

    public override void Advance(int bytes)
    {
        if (_discards && !_completed)
            discarding.Advance(bytes);
        else
            _inner.Advance(bytes);
    }

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        ThrowIfPending();
        if (_completed)
            return _inner.WriteAsync(source, CancellationToken.None);
        // A token that is cancelled before the call means that nothing is taken; one that is cancelled later, that everything is.
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        if (pipe.WritesEnded)
            return new(Discard());
        this.Write(source.Span);
        return FlushAsync(cancellationToken);
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfPending();
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        if (_completed)
            return _inner.FlushAsync(CancellationToken.None);
        if (pipe.WritesEnded)
            return new(Discard());

        // Before the peer can have it: who has received something finds it counted.
        pipe.CountSent(_inner.UnflushedBytes);
        var flush = _inner.FlushAsync(cancellationToken);
        pipe.CountSent(-_inner.UnflushedBytes);
        return flush.IsCompletedSuccessfully && !pipe.WritesEnded ? new(flush.Result) : AwaitFlushAsync(flush);
    }

    public override void CancelPendingFlush() => _inner.CancelPendingFlush();

    public override void Complete(Exception? exception = null)
    {
        if (_completed)
            return;
        _completed = true;
        if (_discards)
        {
            discarding.Clear();
        }
        else
        {
            if (exception is null)
                pipe.CountSent(_inner.UnflushedBytes);
            else
                pipe.DiscardUnflushed();
            _inner.Complete();
        }

        onCompleted();
    }

    private void KeepBound()
    {
        if (Limit is { } limit && UnflushedBytes is var unsent && unsent > limit.MaxUnsentBytes)
        {
            limit.OnExceeded(unsent);
            if (pipe.WritesEnded)
                Discard();
        }
    }

    private void ThrowIfPending()
    {
        if (_pending)
            throw new InvalidOperationException("A flush is pending; one operation at a time is allowed.");
    }

    private async ValueTask<FlushResult> AwaitFlushAsync(ValueTask<FlushResult> flush)
    {
        // A second flush would make the pipe fail both its ends; it is refused here instead.
        _pending = true;
        FlushResult result;
        try
        {
            result = await flush.ConfigureAwait(false);
        }
        finally
        {
            _pending = false;
        }

        return pipe.WritesEnded ? Discard() : result;
    }

    // The pipe keeps what is written to it until both ends are complete, so a writer that goes on after its peer is gone would fill the memory.
    private FlushResult Discard()
    {
        if (!_discards && !_completed)
        {
            _discards = true;
            _inner.Complete();
        }

        discarding.Clear();
        return new FlushResult(isCanceled: false, isCompleted: true);
    }
}
