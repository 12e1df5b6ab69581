using System.IO.Pipelines;

namespace Peregrine.Protocols;

/// <summary>
/// Writes the messages of one output, from any number of tasks: each message goes out whole, in the order of the calls. While a flush is under
/// way, the messages that come are kept together, and go out in the next one.
/// </summary>
/// <remarks>
/// <para>
/// <see cref="WriteAsync"/> is complete when the output has taken the message, so a peer that does not read holds up those who write to it. Those who
/// do not wait for it, or cancel the wait and write again, bound what is kept themselves. <see cref="Write"/> and <see cref="TryPost"/> do not wait.
/// </para>
/// <para>
/// The output is the writer's until <see cref="EndAsync"/>; it is not completed. Every member is safe from any thread. Nothing is
/// allocated for a message. A writer that has nothing to send holds no buffer.
/// </para>
/// </remarks>
public sealed class MessageWriter : IThreadPoolWorkItem
{
    /// <summary>What <see cref="TryPost"/> keeps for a peer that does not read, by default: 64 KiB.</summary>
    public const int DefaultMaxPendingBytes = 64 * 1024;

    [ThreadStatic]
    private static PendingBytes? t_scratch;

    private readonly Lock _lock = new();
    private readonly PipeWriter _output;
    private readonly int _maxPending;
    private readonly Action _onFlushed;

    // Under the lock. What is in _sending, and its waiters, are the flush's while there is one.
    private PendingBytes _pending = new();
    private FlushWaiter? _pendingWaiters;
    private bool _isFlushing;
    private bool _isEnded;
    private bool _isCompleted;
    private Exception? _failure;

    private PendingBytes _sending = new();
    private FlushWaiter? _sendingWaiters;
    private ValueTask<FlushResult> _flush;

    /// <param name="output">Where the messages go.</param>
    /// <param name="maxPendingBytes">See <see cref="DefaultMaxPendingBytes"/>: from 1.</param>
    public MessageWriter(PipeWriter output, int maxPendingBytes = DefaultMaxPendingBytes)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxPendingBytes, 1);
        _output = output;
        _maxPending = maxPendingBytes;
        _onFlushed = OnFlushed;
    }

    /// <summary>Bytes that no flush has begun to send, and those of the one that is under way. It may be a little old.</summary>
    public long PendingBytes
    {
        get
        {
            lock (_lock)
            {
                return PendingLocked;
            }
        }
    }

    private long PendingLocked => _pending.Length + _sending.Length;

    private bool IsOverLocked => _isEnded || _isCompleted;

    /// <summary>Writes a message, and sends it.</summary>
    /// <param name="message">The message. A view is looked at during the call only.</param>
    /// <param name="format">How it is written.</param>
    /// <param name="cancellationToken">Cancels the wait; the message is sent all the same.</param>
    /// <returns>
    /// When the output has taken the message. <see cref="FlushResult.IsCompleted"/> says that nobody reads any more, or that the writer has ended: the
    /// message is dropped then.
    /// </returns>
    /// <exception cref="MessageFormatException">The message cannot be written in this format. Nothing of it is.</exception>
    /// <exception cref="OperationCanceledException">The token.</exception>
    /// <exception cref="InvalidOperationException">The output has failed before, so that bytes are missing in front of this message.</exception>
    public ValueTask<FlushResult> WriteAsync<TMessage>(TMessage message, IMessageWriter<TMessage> format, CancellationToken cancellationToken = default)
        where TMessage : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(format);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        Write(message, format);
        return FlushAsync(cancellationToken);
    }

    /// <summary>
    /// Writes a message that is sent by the next flush of anybody: for several that belong together, with one <see cref="FlushAsync"/> behind them. What is
    /// written and not flushed is bounded by the caller alone.
    /// </summary>
    /// <inheritdoc cref="WriteAsync" path="/param"/>
    /// <inheritdoc cref="WriteAsync" path="/exception[@cref='MessageFormatException']"/>
    public void Write<TMessage>(TMessage message, IMessageWriter<TMessage> format)
        where TMessage : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(format);

        // Not under the lock: the format is somebody's code, and a message that fails in the middle leaves nothing behind.
        var scratch = t_scratch ?? new PendingBytes();
        t_scratch = null;
        try
        {
            format.Write(message, scratch);
            lock (_lock)
            {
                if (!IsOverLocked)
                {
                    scratch.MoveTo(_pending);
                }
            }
        }
        finally
        {
            scratch.Clear();
            t_scratch = scratch;
        }
    }

    /// <summary>Sends what was written. Complete when the output has taken all of it.</summary>
    /// <inheritdoc cref="WriteAsync" path="/exception[not(@cref='MessageFormatException')]"/>
    public ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        FlushWaiter waiter;
        lock (_lock)
        {
            if (_failure is not null)
            {
                return ValueTask.FromException<FlushResult>(new InvalidOperationException("The output has failed before.", _failure));
            }

            if (_isFlushing)
            {
                waiter = _pending.IsEmpty ? AddWaiter(ref _sendingWaiters) : AddWaiter(ref _pendingWaiters);
            }
            else if (_pending.IsEmpty)
            {
                return new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: IsOverLocked));
            }
            else
            {
                BeginFlushLocked();
                waiter = null!;
            }
        }

        return waiter is null ? FlushOwn(cancellationToken) : waiter.WaitAsync(cancellationToken);
    }

    /// <summary>
    /// Sends a message that was encoded before, without a copy of its own and without waiting. If more than the writer's bound is pending, the peer is slow,
    /// and the message is not taken.
    /// </summary>
    /// <returns>False if the peer is slow, or nobody reads any more.</returns>
    public bool TryPost(EncodedMessage message) => Post(message, dropsOldest: false, out _);

    /// <summary>As <see cref="TryPost"/>; makes room by dropping messages that were posted before, the oldest first, and of which nothing is sent yet.</summary>
    /// <param name="message">The message.</param>
    /// <param name="dropped">How many were dropped for it.</param>
    public bool TryPostInPlaceOfOldest(EncodedMessage message, out int dropped) => Post(message, dropsOldest: true, out dropped);

    /// <summary>
    /// Ends the writing: what comes now is dropped, and what was written before goes out. Complete when nothing uses the output any more, which is the caller's then. A
    /// handler awaits it before it returns.
    /// </summary>
    /// <inheritdoc cref="WriteAsync" path="/exception[not(@cref='MessageFormatException')]"/>
    public ValueTask<FlushResult> EndAsync(CancellationToken cancellationToken = default)
    {
        lock (_lock)
        {
            _isEnded = true;
        }

        return FlushAsync(cancellationToken);
    }

    /// <summary>Goes on flushing what came during the flush of somebody who does not do it for all.</summary>
    void IThreadPoolWorkItem.Execute() => Run();

    private static FlushWaiter AddWaiter(ref FlushWaiter? list)
    {
        var waiter = FlushWaiter.Rent();
        waiter.Next = list;
        return list = waiter;
    }

    private bool Post(EncodedMessage message, bool dropsOldest, out int dropped)
    {
        ArgumentNullException.ThrowIfNull(message);
        dropped = 0;
        lock (_lock)
        {
            if (IsOverLocked)
            {
                return false;
            }

            if (message.Length == 0)
            {
                return true;
            }

            // What is not dropped, whatever is.
            var kept = _sending.Length + (dropsOldest ? _pending.OwnLength : _pending.Length);
            if (kept > 0 && kept + message.Length > _maxPending)
            {
                return false;
            }

            ObjectDisposedException.ThrowIf(message.IsOver, message);
            while (PendingLocked > 0 && PendingLocked + message.Length > _maxPending && _pending.TryDropOldest())
            {
                dropped++;
            }

            _pending.Add(message);
            if (_isFlushing)
            {
                return true;
            }

            BeginFlushLocked();
        }

        var flush = Send();
        if (flush.IsCompleted)
        {
            EndOwn(flush, out _);
        }
        else
        {
            GoOnAfter(flush);
        }

        return true;
    }

    private void BeginFlushLocked()
    {
        _isFlushing = true;
        (_pending, _sending) = (_sending, _pending);
        (_pendingWaiters, _sendingWaiters) = (null, _pendingWaiters);
    }

    /// <summary>A flush of what the caller has just written: it is over at once as long as the peer reads.</summary>
    private ValueTask<FlushResult> FlushOwn(CancellationToken cancellationToken)
    {
        var flush = Send();
        if (flush.IsCompleted)
        {
            return EndOwn(flush, out var result) is { } exception ? ValueTask.FromException<FlushResult>(exception) : new ValueTask<FlushResult>(result);
        }

        FlushWaiter waiter;
        lock (_lock)
        {
            waiter = AddWaiter(ref _sendingWaiters);
        }

        // The wait begins first: the flush may end at once, and go on with the caller.
        var task = waiter.WaitAsync(cancellationToken);
        GoOnAfter(flush);
        return task;
    }

    private ValueTask<FlushResult> Send()
    {
        try
        {
            if (_sending.TryGetSingle(out var bytes))
            {
                return _output.WriteAsync(bytes, CancellationToken.None);
            }

            _sending.CopyTo(_output);
            return _output.FlushAsync(CancellationToken.None);
        }
        catch (Exception exception)
        {
            return ValueTask.FromException<FlushResult>(exception);
        }
    }

    private void GoOnAfter(ValueTask<FlushResult> flush)
    {
        _flush = flush;
        flush.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(_onFlushed);
    }

    private void OnFlushed()
    {
        var exception = ResultOf(_flush, out var result);
        if (EndFlush(result, exception))
        {
            Run();
        }
    }

    /// <summary>Flushes, as long as there is something and flushes are over at once.</summary>
    private void Run()
    {
        bool goesOn;
        do
        {
            var flush = Send();
            if (!flush.IsCompleted)
            {
                GoOnAfter(flush);
                return;
            }

            var exception = ResultOf(flush, out var result);
            goesOn = EndFlush(result, exception);
        }
        while (goesOn);
    }

    /// <summary>Ends a flush that the caller has made for itself; what others have written meanwhile is not its business.</summary>
    private Exception? EndOwn(ValueTask<FlushResult> flush, out FlushResult result)
    {
        var exception = ResultOf(flush, out result);
        if (EndFlush(result, exception, isOwn: true))
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }

        return exception;
    }

    private static Exception? ResultOf(ValueTask<FlushResult> flush, out FlushResult result)
    {
        try
        {
            result = flush.GetAwaiter().GetResult();
            return null;
        }
        catch (Exception exception)
        {
            result = default;
            return exception;
        }
    }

    /// <summary>True if the next flush has begun, which the caller makes.</summary>
    private bool EndFlush(FlushResult result, Exception? exception, bool isOwn = false)
    {
        FlushWaiter? over, dropped = null;
        bool goesOn;
        lock (_lock)
        {
            _sending.Clear();
            over = _sendingWaiters;
            _sendingWaiters = null;
            _failure ??= exception;
            _isCompleted |= exception is not null || result.IsCompleted;

            // All that somebody waits for may have been dropped for a newer message.
            if (_isCompleted || _pending.IsEmpty)
            {
                _pending.Clear();
                dropped = _pendingWaiters;
                _pendingWaiters = null;
            }

            goesOn = !_pending.IsEmpty;
            if (goesOn)
            {
                BeginFlushLocked();
            }
            else
            {
                _isFlushing = false;
            }
        }

        // One that is alone goes on here; several must not wait for each other, nor the next flush or a caller for one.
        var isAlone = !isOwn && !goesOn && over is { Next: null } && dropped is null;
        EndWaits(over, result, exception, isAlone);
        EndWaits(dropped, result, exception, isAlone: false);
        return goesOn;
    }

    private static void EndWaits(FlushWaiter? list, FlushResult result, Exception? exception, bool isAlone)
    {
        while (list is { } waiter)
        {
            // It may be somebody else's when it is let go.
            list = waiter.Next;
            waiter.EndByFlush(result, exception, isAlone);
        }
    }
}
