using System.Diagnostics.CodeAnalysis;
using System.Threading.Tasks.Sources;

namespace Peregrine.Middleware.Sessions;

/// <summary>The bounds of a session's queue.</summary>
internal readonly record struct QueueLimits(int Length, int MaxBytes, DatagramDropPolicy DropPolicy);

/// <summary>
/// What waits for the handler of a session, and the enumerator that hands it out, which is used again. Everything that ends in <c>Locked</c> needs the session's lock; the
/// enumerator takes it itself.
/// </summary>
internal sealed class SessionQueue(Lock sync, QueueLimits limits, DatagramPool pool, DatagramCounters counters)
    : IAsyncEnumerator<Datagram>, IValueTaskSource<bool>, IThreadPoolWorkItem
{
    private ManualResetValueTaskSourceCore<bool> _waiter;
    private QueuedDatagram? _head;
    private QueuedDatagram? _tail;
    private QueuedDatagram? _current;
    private int _count;
    private int _bytes;
    private long _answerAllowance;
    private Reader _reader;
    private bool _isComplete;
    private bool _isEnumerated;
    private CancellationToken _cancellation;
    private CancellationTokenRegistration _registration;

    private enum Reader
    {
        /// <summary>The handler is at work, or has not asked yet.</summary>
        Away,

        /// <summary>It waits for a datagram.</summary>
        Waiting,

        /// <summary>It was woken, and has not looked yet.</summary>
        Woken,
    }

    /// <inheritdoc/>
    public Datagram Current => _current is { } current ? current.Datagram : default;

    /// <summary>Queues a copy, or drops it or what is older, by the policy; each is counted.</summary>
    /// <param name="datagram">The datagram.</param>
    /// <param name="answered">The bytes that were answered to it already.</param>
    /// <returns>Whether the reader is to be woken (<see cref="Wake"/>), after the lock is left.</returns>
    public bool PushLocked(in Datagram datagram, int answered)
    {
        if (!TryMakeRoomLocked(datagram.Payload.Length, out var queued))
        {
            counters.AddDropped(DatagramDropReason.SessionQueueFull);
            return false;
        }

        queued.Fill(in datagram, answered);
        if (_tail is null)
        {
            _head = queued;
        }
        else
        {
            _tail.Next = queued;
        }

        _tail = queued;
        _count++;
        _bytes += DatagramPool.CostOf(queued);
        return WakeLocked();
    }

    /// <summary>Nothing comes any more: the enumeration ends when it has read what is queued.</summary>
    /// <returns>As <see cref="PushLocked"/>.</returns>
    public bool CompleteLocked()
    {
        _isComplete = true;
        return WakeLocked();
    }

    /// <summary>Drops what is queued, and counts it.</summary>
    public void DiscardLocked(DatagramDropReason reason)
    {
        var dropped = 0;
        for (; TryPopLocked(out var queued); dropped++)
        {
            pool.Return(queued);
        }

        if (dropped > 0)
        {
            counters.AddDropped(reason, dropped);
        }
    }

    /// <summary>Gives the memory of the datagram back that the enumeration is at.</summary>
    public void ReleaseCurrentLocked()
    {
        if (_current is { } current)
        {
            _current = null;
            pool.Return(current);
        }
    }

    /// <summary>The path of the datagram that the enumeration is at, and what may still be answered to it.</summary>
    /// <exception cref="InvalidOperationException">It is at none.</exception>
    public ref long AnswerLocked(out DatagramPath path)
    {
        path = (_current ?? throw new InvalidOperationException("There is no datagram to answer: the enumeration is not at one.")).Datagram.Path;
        return ref _answerAllowance;
    }

    /// <summary>Lets the reader go on, on the thread pool.</summary>
    public void Wake() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    public void Begin(CancellationToken cancellationToken)
    {
        lock (sync)
        {
            if (_isEnumerated)
            {
                throw new InvalidOperationException("The session is enumerated already: one enumeration at a time, and the next one after the first is disposed.");
            }

            _isEnumerated = true;
            _cancellation = cancellationToken;
        }

        // Outside of the lock: that of a cancelled token runs at once.
        _registration = cancellationToken.UnsafeRegister(static queue => ((SessionQueue)queue!).OnCancelled(), this);
    }

    /// <inheritdoc/>
    public ValueTask<bool> MoveNextAsync()
    {
        lock (sync)
        {
            if (_reader != Reader.Away)
            {
                throw new InvalidOperationException("The enumeration waits for a datagram already: one call at a time.");
            }

            ReleaseCurrentLocked();
            if (_cancellation.IsCancellationRequested)
            {
                return ValueTask.FromCanceled<bool>(_cancellation);
            }

            if (TryTakeLocked())
            {
                return new ValueTask<bool>(true);
            }

            if (_isComplete)
            {
                return new ValueTask<bool>(false);
            }

            _waiter.Reset();
            _reader = Reader.Waiting;
            return new ValueTask<bool>(this, _waiter.Version);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        lock (sync)
        {
            if (_reader != Reader.Away)
            {
                throw new InvalidOperationException("The enumeration waits for a datagram: it can be disposed when that is over.");
            }

            ReleaseCurrentLocked();
            if (!_isEnumerated)
            {
                return default;
            }
        }

        // Outside of the lock, which the callback takes, and for which this waits; and before another enumeration can begin, and have its own.
        _registration.Dispose();
        _registration = default;
        lock (sync)
        {
            _isEnumerated = false;
        }

        return default;
    }

    void IThreadPoolWorkItem.Execute() => _waiter.SetResult(true);

    bool IValueTaskSource<bool>.GetResult(short token)
    {
        _waiter.GetResult(token);
        lock (sync)
        {
            _reader = Reader.Away;
            if (TryTakeLocked())
            {
                return true;
            }

            // Woken for nothing but these: what is queued is taken by this reader only, or dropped by the end.
            return _isComplete ? false : throw new OperationCanceledException(_cancellation);
        }
    }

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _waiter.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _waiter.OnCompleted(continuation, state, token, flags);

    private void OnCancelled()
    {
        bool wake;
        lock (sync)
        {
            wake = WakeLocked();
        }

        if (wake)
        {
            Wake();
        }
    }

    private bool WakeLocked()
    {
        if (_reader != Reader.Waiting)
        {
            return false;
        }

        _reader = Reader.Woken;
        return true;
    }

    private bool TryTakeLocked()
    {
        if (!TryPopLocked(out _current))
        {
            return false;
        }

        _answerAllowance = Amplification.AllowanceOf(_current.Datagram.Payload.Length) - _current.Answered;
        return true;
    }

    private bool TryMakeRoomLocked(int length, [NotNullWhen(true)] out QueuedDatagram? queued)
    {
        queued = null;
        if (length > DatagramPool.LargestPayload)
        {
            return false;
        }

        var cost = DatagramPool.CostOf(length);
        while (_count >= limits.Length || cost > limits.MaxBytes - _bytes || (queued = pool.TryRent(length)) is null)
        {
            // A session makes room in its own queue, never in that of another.
            if (limits.DropPolicy == DatagramDropPolicy.DropNewest || !TryPopLocked(out var oldest))
            {
                return false;
            }

            pool.Return(oldest);
            counters.AddDropped(DatagramDropReason.SessionQueueFull);
        }

        return true;
    }

    private bool TryPopLocked([NotNullWhen(true)] out QueuedDatagram? queued)
    {
        queued = _head;
        if (queued is null)
        {
            return false;
        }

        _head = queued.Next;
        _tail = _head is null ? null : _tail;
        queued.Next = null;
        _count--;
        _bytes -= DatagramPool.CostOf(queued);
        return true;
    }
}
