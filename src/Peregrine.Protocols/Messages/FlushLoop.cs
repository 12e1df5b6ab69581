using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;

namespace Peregrine.Protocols;

/// <summary>
/// Encoded messages, and the flushes that send them: one at a time, with everything that came during the last one. Whoever waits and comes while there is none
/// makes it; what has come meanwhile is sent by the completion of a flush that has waited, or on the thread pool.
/// </summary>
internal sealed partial class FlushLoop : IThreadPoolWorkItem
{
    // As the transport's receives.
    private const int MostInTurn = 64;

    private readonly Lock _lock = new();
    private readonly PipeWriter _output;
    private readonly PendingBound _bound;
    private readonly Action _onFlushed;

    // Under the lock. What is in _sending is the flush's while there is one, and how much that was is known to others.
    private PendingBytes _pending = new();
    private FlushWaiter? _pendingWaiters;
    private State _state;
    private bool _isScheduled;
    private bool _isEnded;
    private bool _isCompleted;
    private Exception? _failure;

    private PendingBytes _sending = new();
    private long _sendingLength;
    private int _sendingMessages;
    private FlushWaiter? _sendingWaiters;
    private ValueTask<FlushResult> _flush;

    /// <param name="output">Where the messages go.</param>
    /// <param name="bound">How much may be pending with a message that is posted; by itself, it may be larger.</param>
    public FlushLoop(PipeWriter output, PendingBound bound)
    {
        _output = output;
        _bound = bound;
        _onFlushed = OnFlushed;
    }

    private enum State : byte
    {
        /// <summary>No flush is under way.</summary>
        None,

        /// <summary>The thread pool will make one, unless somebody who comes before makes it.</summary>
        Queued,

        Flushing,
    }

    public PendingBound Bound => _bound;

    /// <summary>What is in no flush yet, and what is in the one that is under way.</summary>
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

    private long PendingLocked => _pending.Length + _sendingLength;

    private bool IsOverLocked => _isEnded || _isCompleted;

    /// <summary>Adds messages, for the next flush, and tells what is pending with them. False if there is none any more.</summary>
    public bool TryAdd(PendingBytes messages, out long pending)
    {
        lock (_lock)
        {
            pending = 0;
            if (IsOverLocked)
            {
                return false;
            }

            messages.MoveTo(_pending);
            pending = PendingLocked;
            return true;
        }
    }

    /// <summary>Complete when everything that was added before is taken by the output.</summary>
    public ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken)
    {
        FlushWaiter waiter;
        lock (_lock)
        {
            if (_failure is not null)
            {
                return FailedLocked();
            }

            if (_state == State.Flushing)
            {
                waiter = _pending.IsEmpty ? AddWaiter(ref _sendingWaiters) : AddWaiter(ref _pendingWaiters);
            }
            else if (_pending.IsEmpty)
            {
                return new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: _isCompleted));
            }
            else
            {
                BeginFlushLocked();
                waiter = null!;
            }
        }

        return waiter is null ? FlushOwn(cancellationToken) : waiter.WaitAsync(cancellationToken);
    }

    /// <summary>What is told of a message that could not be added.</summary>
    public ValueTask<FlushResult> DroppedAsync()
    {
        lock (_lock)
        {
            return _failure is null ? new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: true)) : FailedLocked();
        }
    }

    /// <summary>True if an exception is that of the output's failure, or one by which it was told later.</summary>
    public bool HasFailedBy(Exception exception, [NotNullWhen(true)] out Exception? failure)
    {
        lock (_lock)
        {
            failure = _failure;
        }

        return failure is not null && (exception == failure || (exception is InvalidOperationException && exception.InnerException == failure));
    }

    /// <summary>What is added from here on is dropped.</summary>
    public void End()
    {
        lock (_lock)
        {
            _isEnded = true;
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        lock (_lock)
        {
            // Somebody may have come before.
            _isScheduled = false;
            if (_state != State.Queued)
            {
                return;
            }

            BeginFlushLocked();
        }

        Run();
    }

    private ValueTask<FlushResult> FailedLocked() => ValueTask.FromException<FlushResult>(new InvalidOperationException("The output has failed before.", _failure));

    private static FlushWaiter AddWaiter(ref FlushWaiter? list)
    {
        var waiter = FlushWaiter.Rent();
        waiter.Next = list;
        return list = waiter;
    }

    /// <summary>Queues a flush. True if the caller calls <see cref="Schedule"/>: who is in line already, for one that somebody else has made, makes this one.</summary>
    private bool QueueFlushLocked()
    {
        _state = State.Queued;
        return !_isScheduled && (_isScheduled = true);
    }

    private void BeginFlushLocked()
    {
        _state = State.Flushing;
        (_pending, _sending) = (_sending, _pending);
        (_sendingLength, _sendingMessages) = (_sending.Length, _sending.Messages);
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

    private void FlushWithoutWaiting()
    {
        var flush = Send();
        if (flush.IsCompleted)
        {
            EndOwn(flush, out _);
        }
        else
        {
            GoOnAfter(flush);
        }
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
            _sending.Clear();
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

    /// <summary>Flushes, as long as there is something and flushes are over at once; then others have their turn, for which this thread, maybe an event loop, is there as well.</summary>
    private void Run()
    {
        for (var left = MostInTurn; ; left--)
        {
            var flush = Send();
            if (!flush.IsCompleted)
            {
                GoOnAfter(flush);
                return;
            }

            var exception = ResultOf(flush, out var result);
            if (!EndFlush(result, exception, isLast: left == 1))
            {
                return;
            }

            if (left == 1)
            {
                Schedule();
                return;
            }
        }
    }

    /// <summary>Ends a flush that the caller has made for itself; what others have written meanwhile is not its business.</summary>
    private Exception? EndOwn(ValueTask<FlushResult> flush, out FlushResult result)
    {
        var exception = ResultOf(flush, out result);
        if (EndFlush(result, exception, isLast: true))
        {
            Schedule();
        }

        return exception;
    }

    /// <summary>For all of the pool, in the order of the posts: a thread's own queue would hand out the last one first.</summary>
    private void Schedule() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

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

    /// <summary>True if there is a next flush: it has begun, and the caller makes it. Behind the last that this one makes it is queued, and true if the caller schedules it.</summary>
    private bool EndFlush(FlushResult result, Exception? exception, bool isLast = false)
    {
        FlushWaiter? over, dropped = null;
        bool goesOn, isDue;
        lock (_lock)
        {
            _sending.Clear();
            (_sendingLength, _sendingMessages) = (0, 0);
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

            goesOn = isDue = !_pending.IsEmpty;
            if (!goesOn)
            {
                _state = State.None;
            }
            else if (isLast)
            {
                isDue = QueueFlushLocked();
            }
            else
            {
                BeginFlushLocked();
            }
        }

        // One that is alone goes on here; several must not wait for each other, nor the next flush or a caller for one.
        var isAlone = !isLast && !goesOn && over is { Next: null } && dropped is null;
        EndWaits(over, result, exception, isAlone);
        EndWaits(dropped, result, exception, isAlone: false);
        return isDue;
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
