using System.Buffers;
using System.IO.Pipelines;
using System.Net.Security;
using System.Threading.Tasks.Sources;

namespace Peregrine.Middleware.Tls;

/// <summary>
/// A <see cref="PipeWriter"/> that collects in pooled blocks and, when it is flushed, encrypts them straight into the transport's output. A flush is
/// done when the transport has taken every byte.
/// </summary>
/// <remarks>What is written belongs to the application's flow until it is flushed; from then on it is the <see cref="TlsSendLoop"/>'s.</remarks>
internal sealed class TlsPipeWriter : PipeWriter, IValueTaskSource<FlushResult>, IThreadPoolWorkItem
{
    private readonly TlsSession _session;
    private readonly TlsSendLoop _loop;

    // The flow's own, behind the guard.
    private FlowGuard _guard;
    private ManualResetValueTaskSourceCore<FlushResult> _source;
    private WriteChain _written;
    private volatile bool _completed;
    private bool _discards;
    private bool _endIsCanceled;
    private Exception? _endException;

    public TlsPipeWriter(TlsSession session, SslStream tls, TransportStream transport)
    {
        _session = session;
        Blocks = new WriteBlocks(session.Pool, session.Settings.SmallestBlockInBytes, session.Settings.LargestBlockInBytes);
        _loop = new TlsSendLoop(session, this, tls, transport);
    }

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _written.Length;

    public WriteBlocks Blocks { get; }

    /// <summary>Written and not encrypted. May be read from any thread, and is a little old then.</summary>
    public long UnsentBytes => _written.Length + _loop.QueuedBytes;

    /// <summary>A flush is under way. As above.</summary>
    public bool IsSending => _loop.IsSending;

    public override Memory<byte> GetMemory(int sizeHint = 0) => Room(sizeHint).Free;

    public override Span<byte> GetSpan(int sizeHint = 0) => Room(sizeHint).Free.Span;

    public override void Advance(int bytes) => _written.Advance(bytes);

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        if (!TryEnter())
        {
            return new ValueTask<FlushResult>(_loop.TakeResult());
        }

        try
        {
            return FlushInside(lent: default, cancellationToken);
        }
        finally
        {
            Exit();
        }
    }

    /// <remarks>With a token that is cancelled already, nothing is taken.</remarks>
    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        ThrowIfCompleted();
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        if (!TryEnter())
        {
            throw PipeMisuse.WriteAfterCompletion();
        }

        try
        {
            _loop.ThrowIfBusy();
            if (_loop.IsSending)
            {
                KeepBound();
            }

            if (source.Length > _session.Settings.MostCopiedInBytes)
            {
                return FlushInside(source, cancellationToken);
            }

            _written.Copy(Blocks, source.Span);
            return FlushInside(lent: default, cancellationToken);
        }
        finally
        {
            Exit();
        }
    }

    public override void CancelPendingFlush() => _loop.CancelPendingFlush();

    /// <remarks>
    /// Without an exception, everything written is sent, flushed or not; with one, what was not flushed is discarded. TLS's close_notify follows the
    /// last byte, and the transport's output is completed behind it.
    /// </remarks>
    public override void Complete(Exception? exception = null) => Complete(discard: exception is not null, completeTransport: true);

    public override ValueTask CompleteAsync(Exception? exception = null)
    {
        Complete(exception);
        return new ValueTask(_loop.Finished);
    }

    /// <summary>The application is done: as <see cref="Complete(Exception?)"/>, but that the transport is left to who closes the connection.</summary>
    /// <returns>Completes when everything is in the transport's output. It waits for nobody.</returns>
    public Task FinishAsync(bool discard)
    {
        Complete(discard, completeTransport: false);
        return _loop.Finished;
    }

    /// <summary>The close_notify had to wait for a read.</summary>
    public void SendCloseNotify() => _loop.SendCloseNotify();

    /// <summary>The reading side has made TLS write something, such as the answer to a key update.</summary>
    public void FlushTransport() => _loop.FlushTransport();

    /// <summary>Ends the flush that waits. The caller has moved it out of waiting.</summary>
    public void EndFlush(FlushResult result, Exception? exception)
    {
        _loop.EndPending();
        if (exception is null)
        {
            _source.SetResult(result);
        }
        else
        {
            _source.SetException(exception);
        }
    }

    /// <summary>The same, for who must not find itself running the application's code.</summary>
    public void EndFlushOnScheduler(bool isCanceled, Exception? exception)
    {
        _endIsCanceled = isCanceled;
        _endException = exception;
        _session.Schedule(this);
    }

    void IThreadPoolWorkItem.Execute()
    {
        var exception = _endException;
        _endException = null;
        EndFlush(new FlushResult(_endIsCanceled, _loop.IsClosed), exception);
    }

    private void Complete(bool discard, bool completeTransport)
    {
        lock (_loop.Gate)
        {
            if (_completed)
            {
                // The transport is completed by the first who says so.
                return;
            }

            _discards = discard;
            _loop.CompletesTransport = completeTransport;
            _completed = true;
        }

        if (_guard.TryComplete())
        {
            CompleteInside();
        }
    }

    private void CompleteInside() => _loop.Finish(ref _written, _discards);

    /// <summary>False if the writer was completed meanwhile, by another thread.</summary>
    private bool TryEnter() => _guard.TryEnter() || (_completed ? false : throw PipeMisuse.FlushInProgress());

    private void Exit()
    {
        if (_guard.Exit())
        {
            CompleteInside();
        }
    }

    private ValueTask<FlushResult> FlushInside(ReadOnlyMemory<byte> lent, CancellationToken cancellationToken)
    {
        _loop.ThrowIfBusy();
        _source.Reset();
        return _loop.Flush(ref _written, lent, cancellationToken, out var result)
            ? new ValueTask<FlushResult>(result)
            : new ValueTask<FlushResult>(this, _source.Version);
    }

    private BufferSegment Room(int sizeHint)
    {
        ThrowIfCompleted();
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        if (!_written.HasRoom(sizeHint) && (_written.HasBlocks || _loop.IsSending))
        {
            KeepBound();
        }

        return _written.Room(Blocks, sizeHint);
    }

    /// <summary>
    /// Something is unsent, and more is about to be. What an application writes without waiting for its flushes nothing else bounds, not even the
    /// end of the connection.
    /// </summary>
    private void KeepBound()
    {
        _session.KeepUnsentBound();
        if (_loop.IsClosed || _session.IsTransportGone)
        {
            _written.Return();
        }
    }

    private void ThrowIfCompleted()
    {
        if (_completed)
        {
            throw PipeMisuse.WriteAfterCompletion();
        }
    }

    FlushResult IValueTaskSource<FlushResult>.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<FlushResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}
