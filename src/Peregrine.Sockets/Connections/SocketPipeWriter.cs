using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace Peregrine.Sockets.Connections;

/// <summary>
/// A <see cref="PipeWriter"/> that sends straight from its pooled blocks. A flush is done when the kernel has taken every byte, so the
/// peer's window is the backpressure.
/// </summary>
/// <remarks>
/// What is written belongs to the application's flow until it is flushed; from then on it is the <see cref="SendLoop{TSocket}"/>'s.
/// </remarks>
internal sealed partial class SocketPipeWriter<TSocket> : PipeWriter, IValueTaskSource<FlushResult>, IThreadPoolWorkItem
    where TSocket : struct, IStreamSocket
{
    private readonly StreamConnection<TSocket> _connection;
    private readonly SendLoop<TSocket> _loop;

    // The flow's own, behind the guard.
    private FlowGuard _guard;
    private Exception? _completionException;
    private ManualResetValueTaskSourceCore<FlushResult> _source;
    private WriteChain _written;
    private volatile bool _completed;
    private short _yielding;
    private bool _endIsCanceled;
    private Exception? _endException;

    public SocketPipeWriter(TSocket socket, StreamConnection<TSocket> connection)
    {
        _connection = connection;
        _loop = new SendLoop<TSocket>(socket, connection, this);
    }

    public long BytesSent => _loop.BytesSent;

    /// <summary>Written, and not taken by the kernel.</summary>
    public long UnsentBytes => _written.Length + _loop.QueuedBytes;

    /// <summary>What is flushed waits for the kernel.</summary>
    public bool IsSending => _loop.IsSending;

    /// <summary>For how long it did, in all.</summary>
    public TimeSpan SendingTime => _loop.SendingTime;

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _written.Length;

    private StreamSettings Settings => _connection.Settings;

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
            return new ValueTask<FlushResult>(TakeResult());
        }

        try
        {
            return FlushInside(cancellationToken);
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
            if (_written.Length == 0 && !_loop.IsSending)
            {
                // Nothing is in front of it: what the kernel takes at once is not copied.
                source = source[_loop.TrySend(source.Span)..];
            }

            if (_loop.IsSending)
            {
                KeepBound();
            }

            if (source.Length > Settings.MostCopiedInBytes)
            {
                return WaitAsync(source, cancellationToken);
            }

            _written.Copy(Settings.WriteBlocks, source.Span);
            return FlushInside(cancellationToken);
        }
        finally
        {
            Exit();
        }
    }

    public override void CancelPendingFlush()
    {
        CancellationTokenRegistration registration;
        lock (_loop.Gate)
        {
            if (!_loop.Pending.RequestCancel())
            {
                return;
            }

            registration = _loop.Pending.BeginEnding(byCancel: true);
        }

        registration.Unregister();
        _loop.KeepLent();
        EndFlushOnScheduler(isCanceled: true, exception: null);
    }

    /// <remarks>
    /// Without an exception, everything written is sent, flushed or not; with one, what was not flushed is discarded. FIN follows the last
    /// byte; reading goes on.
    /// </remarks>
    public override void Complete(Exception? exception = null)
    {
        if (_completed)
        {
            return;
        }

        _completionException = exception;
        _completed = true;
        if (_guard.TryComplete())
        {
            CompleteInside();
        }
    }

    public bool IsDrained => _loop.IsDrained;

    /// <summary>The kernel has not taken all that was written.</summary>
    public bool IsUnflushed => _loop.IsSending || UnsentBytes > 0;

    /// <summary>Completes when everything is sent, the FIN too, or nothing can be sent any more. After <see cref="Complete"/>.</summary>
    public Task WhenDrainedAsync() => _loop.WhenDrainedAsync();

    /// <summary>A send that was pending has ended.</summary>
    public void OnSent(IoResult result) => _loop.OnSent(result);

    /// <summary>Nothing more will be sent: ends the pending flush with a completed result.</summary>
    public void Abort()
    {
        if (_loop.Close(out var registration))
        {
            registration.Unregister();
            EndFlushOnScheduler(isCanceled: false, exception: null);
        }
    }

    /// <summary>Ends the flush that waits. The caller has moved it out of waiting.</summary>
    public void EndFlush(bool isCanceled, Exception? exception)
    {
        lock (_loop.Gate)
        {
            _loop.Pending.End();
        }

        if (exception is null)
        {
            _source.SetResult(new FlushResult(isCanceled, _loop.IsClosed));
        }
        else
        {
            _source.SetException(exception);
        }
    }

    /// <summary>The same, for who must not find itself running the application's code: a cancel, an abort, the send loop.</summary>
    public void EndFlushOnScheduler(bool isCanceled, Exception? exception)
    {
        _endIsCanceled = isCanceled;
        _endException = exception;
        Settings.Scheduler.Schedule(
            static state =>
            {
                var writer = (SocketPipeWriter<TSocket>)state!;
                var exception = writer._endException;
                writer._endException = null;
                writer.EndFlush(writer._endIsCanceled, exception);
            },
            this);
    }

    /// <summary>False if the writer was completed meanwhile, by another thread.</summary>
    private bool TryEnter() => _guard.TryEnter() || (_completed ? false : throw PipeMisuse.FlushInProgress());

    private void Exit()
    {
        if (_guard.Exit())
        {
            CompleteInside();
        }
    }

    private ValueTask<FlushResult> FlushInside(CancellationToken cancellationToken)
    {
        if (_loop.IsSending || !_loop.TrySend(ref _written))
        {
            return WaitAsync(lent: default, cancellationToken);
        }

        return _connection.Burst.IsOver ? YieldAsync() : new ValueTask<FlushResult>(TakeResult());
    }

    private ValueTask<FlushResult> WaitAsync(ReadOnlyMemory<byte> lent, CancellationToken cancellationToken)
    {
        // Only this flow begins one, so it stays so; and the source is ready before the loop can end the flush.
        _loop.ThrowIfBusy();
        _source.Reset();
        bool waits, start, canceled;
        while (!_loop.TryBeginFlush(ref _written, lent, cancellationToken, out waits, out start, out canceled))
        {
            _written.Copy(Settings.WriteBlocks, lent.Span);
            lent = default;
        }

        _connection.Burst.Restart();
        if (!waits)
        {
            // Sent meanwhile, failed meanwhile, or cancelled ahead: the send loop goes on without a waiter.
            _loop.Start(start);
            return new ValueTask<FlushResult>(new FlushResult(canceled, _loop.IsClosed));
        }

        _loop.Pending.Register(
            _loop.Gate, static (state, token) => ((SocketPipeWriter<TSocket>)state!).OnTokenCanceled(token), this, cancellationToken);
        _loop.Start(start);
        return new ValueTask<FlushResult>(this, _source.Version);
    }

    /// <summary>Everything is sent; the thread is given to others before the application learns it.</summary>
    private ValueTask<FlushResult> YieldAsync()
    {
        _connection.Burst.Restart();
        lock (_loop.Gate)
        {
            if (!_loop.Pending.IsNone)
            {
                throw PipeMisuse.FlushInProgress();
            }

            var canceled = _loop.Pending.TakeCancelRequest();
            if (canceled || _loop.IsClosed)
            {
                return new ValueTask<FlushResult>(new FlushResult(canceled, _loop.IsClosed));
            }

            _source.Reset();
            _yielding = _source.Version;
            _loop.Pending.Begin(CancellationToken.None);
        }

        Settings.Schedule(this);
        return new ValueTask<FlushResult>(this, _source.Version);
    }

    /// <summary>The end of a yield.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        lock (_loop.Gate)
        {
            // It may have been cancelled or aborted meanwhile, and another flush be waiting.
            if (!_loop.Pending.IsWaiting || _source.Version != _yielding)
            {
                return;
            }

            _loop.Pending.BeginEnding(byCancel: false);
        }

        EndFlush(isCanceled: false, exception: null);
    }

    private void CompleteInside() => _loop.Finish(ref _written, discard: _completionException is not null);

    private BufferSegment Room(int sizeHint)
    {
        ThrowIfCompleted();
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        if (!_written.HasRoom(sizeHint) && (_written.HasBlocks || _loop.IsSending))
        {
            KeepBound();
        }

        return _written.Room(Settings.WriteBlocks, sizeHint);
    }

    /// <summary>
    /// Something is unsent, and more is about to be. What an application writes without waiting for its flushes nothing else bounds, not even the
    /// end of the connection.
    /// </summary>
    private void KeepBound()
    {
        if (_connection.UnsentBytesLimit is { } limit && UnsentBytes is var unsent && unsent > limit.MaxUnsentBytes)
        {
            limit.OnExceeded(unsent);
        }

        if (_loop.IsClosed)
        {
            _written.Return();
        }
    }

    private FlushResult TakeResult()
    {
        lock (_loop.Gate)
        {
            return new FlushResult(_loop.Pending.TakeCancelRequest(), _loop.IsClosed);
        }
    }

    private void OnTokenCanceled(CancellationToken token)
    {
        lock (_loop.Gate)
        {
            // A registration that could not be withdrawn in time must not cancel a later flush that has another token.
            if (!_loop.Pending.IsWaiting || _loop.Pending.Token != token)
            {
                return;
            }

            _loop.Pending.BeginEnding(byCancel: true);
        }

        _loop.KeepLent();
        EndFlushOnScheduler(isCanceled: true, new OperationCanceledException(token));
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
