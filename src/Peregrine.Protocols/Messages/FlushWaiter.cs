using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace Peregrine.Protocols;

/// <summary>
/// Somebody who waits for a flush that a <see cref="MessageWriter"/> makes. It is used again when both sides have let go: who waits has taken the
/// result, and the flush has told it.
/// </summary>
internal sealed class FlushWaiter : IValueTaskSource<FlushResult>
{
    // Few are needed at once: one for each flow that meets a peer who is slow.
    private const int MostKept = 256;

    private static readonly Lock s_lock = new();
    private static FlushWaiter? s_free;
    private static int s_freeCount;

    private ManualResetValueTaskSourceCore<FlushResult> _source;
    private CancellationTokenRegistration _registration;
    private int _isOver;
    private int _sides;

    private FlushWaiter()
    {
    }

    /// <summary>Of the list that it is in.</summary>
    public FlushWaiter? Next { get; set; }

    public static FlushWaiter Rent()
    {
        FlushWaiter? waiter;
        lock (s_lock)
        {
            waiter = s_free;
            if (waiter is not null)
            {
                s_free = waiter.Next;
                s_freeCount--;
            }
        }

        waiter ??= new FlushWaiter();
        waiter.Next = null;
        waiter._isOver = 0;
        waiter._sides = 2;
        return waiter;
    }

    /// <summary>What the caller gets. Once, and not under a lock that a continuation may want.</summary>
    public ValueTask<FlushResult> WaitAsync(CancellationToken cancellationToken)
    {
        var task = new ValueTask<FlushResult>(this, _source.Version);
        if (cancellationToken.CanBeCanceled)
        {
            _registration = cancellationToken.UnsafeRegister(
                static (state, token) => ((FlushWaiter)state!).TryEnd(default, new OperationCanceledException(token), isAlone: false), this);

            // Against the flush, which ends the wait and then looks for the registration: one of the two sees the other's.
            Interlocked.MemoryBarrier();
            if (_isOver != 0)
            {
                _registration.Unregister();
            }
        }

        return task;
    }

    /// <summary>The flush is over, and lets go.</summary>
    /// <param name="result">The flush's.</param>
    /// <param name="exception">What it has thrown.</param>
    /// <param name="isAlone">Nobody is kept waiting if the waiting flow goes on at once.</param>
    public void EndByFlush(FlushResult result, Exception? exception, bool isAlone)
    {
        // Not left to who waits: nobody may, and a token that lives long would keep all of those.
        if (TryEnd(result, exception, isAlone))
        {
            _registration.Unregister();
        }

        LetGo();
    }

    ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<FlushResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    FlushResult IValueTaskSource<FlushResult>.GetResult(short token)
    {
        if (_source.GetStatus(token) == ValueTaskSourceStatus.Pending)
        {
            throw new InvalidOperationException("The flush is not over: await it.");
        }

        // A cancellation that is on its way is waited for, so that it does not meet another wait.
        _registration.Dispose();
        _registration = default;
        try
        {
            return _source.GetResult(token);
        }
        finally
        {
            _source.Reset();
            LetGo();
        }
    }

    private bool TryEnd(FlushResult result, Exception? exception, bool isAlone)
    {
        // The flush against the token: the first one says how it ends.
        if (Interlocked.Exchange(ref _isOver, 1) != 0)
        {
            return false;
        }

        _source.RunContinuationsAsynchronously = !isAlone;
        if (exception is null)
        {
            _source.SetResult(result);
        }
        else
        {
            _source.SetException(exception);
        }

        return true;
    }

    private void LetGo()
    {
        if (Interlocked.Decrement(ref _sides) > 0)
        {
            return;
        }

        lock (s_lock)
        {
            if (s_freeCount < MostKept)
            {
                s_freeCount++;
                Next = s_free;
                s_free = this;
            }
        }
    }
}
