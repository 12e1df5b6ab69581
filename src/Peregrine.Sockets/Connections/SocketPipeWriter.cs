using System.Buffers;
using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace Peregrine.Sockets.Connections;

/// <summary>
/// A <see cref="PipeWriter"/> that sends straight from its pooled blocks. A flush is done when the kernel has taken every byte, so the
/// peer's window is the backpressure.
/// </summary>
/// <remarks>
/// Two chains: <c>_written</c> is the application's, and belongs to its flow; <c>_queue…</c> holds what was flushed and
/// not yet sent, and its head belongs to the send loop, which goes on even if the flush that waits for it is cancelled.
/// </remarks>
internal sealed class SocketPipeWriter<TSocket> : PipeWriter, IValueTaskSource<FlushResult>
    where TSocket : struct, IStreamSocket
{
    private const int MostBytesOfASend = 64 * 1024;

    private readonly Lock _lock = new();
    private readonly TSocket _socket;
    private readonly StreamConnection<TSocket> _connection;
    private readonly StreamSettings _settings;

    // Under the lock.
    private PendingOperation _pending;
    private BufferSegment? _queue;
    private BufferSegment? _queueTail;
    private bool _sending;
    private bool _closed;
    private bool _finWhenDrained;
    private bool _finished;
    private TaskCompletionSource? _drained;

    // The flow's own, behind the guard.
    private FlowGuard _guard;
    private Exception? _completionException;
    private ManualResetValueTaskSourceCore<FlushResult> _source;
    private WriteChain _written;
    private volatile bool _completed;
    private bool _endIsCanceled;
    private Exception? _endException;
    private long _bytesSent;

    public SocketPipeWriter(TSocket socket, StreamConnection<TSocket> connection, StreamSettings settings)
    {
        _socket = socket;
        _connection = connection;
        _settings = settings;
    }

    public long BytesSent => Interlocked.Read(ref _bytesSent);

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _written.Length;

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
            throw WritingIsOver();
        }

        try
        {
            if (_written.Length == 0 && !Volatile.Read(ref _sending))
            {
                // Nothing is in front of it: what the kernel takes at once is not copied.
                source = source[TrySend(source.Span)..];
            }

            _written.Copy(_settings, source.Span);
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
        lock (_lock)
        {
            if (!_pending.RequestCancel())
            {
                return;
            }

            registration = _pending.BeginEnding(byCancel: true);
        }

        registration.Unregister();
        EndOnScheduler(isCanceled: true, exception: null);
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

    /// <summary>Completes when everything is sent, the FIN too, or nothing can be sent any more. After <see cref="Complete"/>.</summary>
    public Task WhenDrainedAsync()
    {
        lock (_lock)
        {
            if (_finished)
            {
                return Task.CompletedTask;
            }

            _drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _drained.Task;
        }
    }

    /// <summary>A send that was pending has ended.</summary>
    public void OnSent(IoResult result)
    {
        if (AdvanceQueue(result))
        {
            SendQueue();
        }
    }

    /// <summary>Nothing more will be sent: ends the pending flush with a completed result.</summary>
    public void Abort()
    {
        CancellationTokenRegistration registration;
        lock (_lock)
        {
            _closed = true;
            if (!_pending.IsWaiting)
            {
                return;
            }

            registration = _pending.BeginEnding(byCancel: false);
        }

        registration.Unregister();
        EndOnScheduler(isCanceled: false, exception: null);
    }

    /// <summary>False if the writer was completed meanwhile, by another thread.</summary>
    private bool TryEnter() => _guard.TryEnter() || (_completed ? false : throw FlushInProgress());

    private void Exit()
    {
        if (_guard.Exit())
        {
            CompleteInside();
        }
    }

    private ValueTask<FlushResult> FlushInside(CancellationToken cancellationToken)
    {
        // Only this flow starts the send loop: if it does not run now, it will not.
        if (Volatile.Read(ref _sending) || !TrySendAll())
        {
            return QueueAndWaitAsync(cancellationToken);
        }

        return _connection.Burst.IsOver ? YieldAsync() : new ValueTask<FlushResult>(TakeResult());
    }

    /// <summary>Everything is sent; the thread is given to others before the application learns it.</summary>
    private ValueTask<FlushResult> YieldAsync()
    {
        _connection.Burst = default;
        lock (_lock)
        {
            if (!_pending.IsNone)
            {
                throw FlushInProgress();
            }

            var canceled = _pending.TakeCancelRequest();
            if (canceled || _closed)
            {
                return new ValueTask<FlushResult>(new FlushResult(canceled, _closed));
            }

            _source.Reset();
            _pending.Begin(CancellationToken.None);
        }

        _settings.Scheduler.Schedule(
            static state =>
            {
                var (writer, version) = ((SocketPipeWriter<TSocket>, short))state!;
                writer.EndYield(version);
            },
            (this, _source.Version));
        return new ValueTask<FlushResult>(this, _source.Version);
    }

    private void EndYield(short version)
    {
        lock (_lock)
        {
            // It may have been cancelled or aborted meanwhile, and another flush be waiting.
            if (!_pending.IsWaiting || _source.Version != version)
            {
                return;
            }

            _pending.BeginEnding(byCancel: false);
        }

        EndFlush(isCanceled: false, exception: null);
    }

    private void CompleteInside()
    {
        var queue = _completionException is null && (Volatile.Read(ref _sending) || !TrySendAll());
        bool start;
        TaskCompletionSource? drained = null;
        lock (_lock)
        {
            start = queue && QueueLocked();
            _finWhenDrained = true;
            if (!_sending)
            {
                _socket.ShutdownSend();
                _finished = true;
                drained = _drained;
            }
        }

        _written.Return();
        StartSending(start);
        drained?.TrySetResult();
    }

    private BufferSegment Room(int sizeHint)
    {
        ThrowIfCompleted();
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        return _written.Room(_settings, sizeHint);
    }

    /// <summary>Sends on the caller's thread what the kernel takes at once. True if nothing is left.</summary>
    private bool TrySendAll()
    {
        while (_written.Next() is { } head)
        {
            head.Consume(TrySend(head.Unsent.Span));
            if (head.Length > 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Returns how many bytes are done with: those that were sent, or all, if none can be sent any more.</summary>
    private int TrySend(ReadOnlySpan<byte> data)
    {
        var sent = 0;
        while (sent < data.Length)
        {
            if (Volatile.Read(ref _closed))
            {
                return data.Length;
            }

            var result = _socket.TrySend(data[sent..]);
            if (result.IsError)
            {
                Fail(result);
                return data.Length;
            }

            if (result.IsWouldBlock)
            {
                return sent;
            }

            Interlocked.Add(ref _bytesSent, result.Bytes);
            _connection.Burst.Add(result.Bytes);
            sent += result.Bytes;
        }

        return sent;
    }

    private FlushResult TakeResult()
    {
        lock (_lock)
        {
            return new FlushResult(_pending.TakeCancelRequest(), _closed);
        }
    }

    private ValueTask<FlushResult> QueueAndWaitAsync(CancellationToken cancellationToken)
    {
        bool start, wait, canceled, closed;
        lock (_lock)
        {
            if (!_pending.IsNone)
            {
                throw FlushInProgress();
            }

            start = QueueLocked();
            canceled = _pending.TakeCancelRequest();
            closed = _closed;
            wait = _sending && !canceled;
            if (wait)
            {
                _source.Reset();
                _pending.Begin(cancellationToken);
            }
        }

        _connection.Burst = default;
        _written.Return();
        if (!wait)
        {
            // Sent meanwhile, failed meanwhile, or cancelled ahead: the send loop goes on without a waiter.
            StartSending(start);
            return new ValueTask<FlushResult>(new FlushResult(canceled, closed));
        }

        if (cancellationToken.CanBeCanceled)
        {
            var registration = cancellationToken.UnsafeRegister(
                static (state, token) => ((SocketPipeWriter<TSocket>)state!).OnTokenCanceled(token), this);
            bool kept;
            lock (_lock)
            {
                kept = _pending.TryKeep(registration);
            }

            if (!kept)
            {
                registration.Unregister();
            }
        }

        StartSending(start);
        return new ValueTask<FlushResult>(this, _source.Version);
    }

    /// <summary>Moves what was written to the send queue. True if the caller must start the send loop.</summary>
    private bool QueueLocked()
    {
        if (_closed || !_written.HasBlocks)
        {
            return false;
        }

        var (first, last) = _written.Take();
        if (_queueTail is null)
        {
            _queue = first;
        }
        else
        {
            _queueTail.Append(first);
        }

        _queueTail = last;
        var start = !_sending;
        _sending = true;
        return start;
    }

    private void StartSending(bool start)
    {
        if (start)
        {
            SendQueue();
        }
    }

    private void SendQueue()
    {
        // The head stays in the queue while it is sent; only this loop removes it. A part of a large block at a time: a send that waits ends
        // when all of its bytes are sent, and a slow peer's progress must be seen.
        while (_socket.Send(_queue!.UnsentUpTo(MostBytesOfASend), out var result))
        {
            if (!AdvanceQueue(result))
            {
                return;
            }
        }
    }

    /// <summary>Takes what was sent off the queue. False if the loop is over.</summary>
    private bool AdvanceQueue(IoResult result)
    {
        if (result.IsError)
        {
            Fail(result);
            return false;
        }

        var head = _queue!;
        Interlocked.Add(ref _bytesSent, result.Bytes);
        head.Consume(result.Bytes);
        while (head.Length == 0)
        {
            CancellationTokenRegistration registration = default;
            TaskCompletionSource? drained = null;
            var flushed = false;
            BufferSegment? next;
            lock (_lock)
            {
                next = head.NextSegment;
                _queue = next;
                if (next is null)
                {
                    _queueTail = null;
                    flushed = _pending.IsWaiting;
                    registration = flushed ? _pending.BeginEnding(byCancel: false) : default;
                    Volatile.Write(ref _sending, false);
                    if (_finWhenDrained)
                    {
                        // Under the lock: who sees that all is finished may release the socket, and the FIN must be before that.
                        _socket.ShutdownSend();
                        _finished = true;
                        drained = _drained;
                    }
                }
            }

            head.Return();
            if (next is null)
            {
                EndSending(registration, flushed, drained);
                return false;
            }

            head = next;
        }

        return true;
    }

    /// <summary>The connection can send no more. What is queued or written goes back to the pool.</summary>
    private void Fail(IoResult result)
    {
        // Before anything of this can be seen: a reader that meets the failure's traces must know of it.
        _connection.OnSendFailed(result.Error);
        CancellationTokenRegistration registration;
        TaskCompletionSource? drained = null;
        BufferSegment? queue;
        bool flushed;
        lock (_lock)
        {
            _closed = true;
            queue = _queue;
            _queue = null;
            _queueTail = null;
            flushed = _pending.IsWaiting;
            registration = flushed ? _pending.BeginEnding(byCancel: false) : default;
            Volatile.Write(ref _sending, false);
            if (_finWhenDrained)
            {
                _finished = true;
                drained = _drained;
            }
        }

        BufferSegment.ReturnAll(queue);
        EndSending(registration, flushed, drained);
    }

    private void EndSending(CancellationTokenRegistration registration, bool flushed, TaskCompletionSource? drained)
    {
        registration.Unregister();

        // First, because the flush goes on in the application's code, which may take its time.
        drained?.TrySetResult();
        if (flushed)
        {
            EndFlush(isCanceled: false, exception: null);
        }
    }

    private void OnTokenCanceled(CancellationToken token)
    {
        lock (_lock)
        {
            // A registration that could not be withdrawn in time must not cancel a later flush that has another token.
            if (!_pending.IsWaiting || _pending.Token != token)
            {
                return;
            }

            _pending.BeginEnding(byCancel: true);
        }

        EndOnScheduler(isCanceled: true, new OperationCanceledException(token));
    }

    /// <summary>Who cancels or aborts must not find itself running the application's code.</summary>
    private void EndOnScheduler(bool isCanceled, Exception? exception)
    {
        _endIsCanceled = isCanceled;
        _endException = exception;
        _settings.Scheduler.Schedule(
            static state =>
            {
                var writer = (SocketPipeWriter<TSocket>)state!;
                var exception = writer._endException;
                writer._endException = null;
                writer.EndFlush(writer._endIsCanceled, exception);
            },
            this);
    }

    private void EndFlush(bool isCanceled, Exception? exception)
    {
        bool closed;
        lock (_lock)
        {
            _pending.End();
            closed = _closed;
        }

        if (exception is null)
        {
            _source.SetResult(new FlushResult(isCanceled, closed));
        }
        else
        {
            _source.SetException(exception);
        }
    }

    private static InvalidOperationException WritingIsOver() => new("Writing is not allowed after the writer was completed.");

    private static InvalidOperationException FlushInProgress() => new("A flush is already in progress: await it before the next.");

    private void ThrowIfCompleted()
    {
        if (_completed)
        {
            throw WritingIsOver();
        }
    }

    FlushResult IValueTaskSource<FlushResult>.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<FlushResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}
