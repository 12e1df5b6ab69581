namespace Peregrine.Server.Admission;

/// <summary>How many connections the server accepts in a second, over all endpoints: the loops wait, and nothing is refused. Safe to use from any thread.</summary>
internal sealed class AcceptPace(TimeProvider clock)
{
    /// <summary>A wait is not shorter, so that a high rate does not mean a timer for each connection; what it comes too late for, it catches up on.</summary>
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(5);

    private readonly Lock _lock = new();
    private volatile bool _isBounded;

    // Under the lock.
    private Rate _rate;
    private long _fullAt;
    private int? _perSecond;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Null is any number. A change ends the waits for the one before.</summary>
    public int? PerSecond
    {
        get
        {
            lock (_lock)
            {
                return _perSecond;
            }
        }

        set
        {
            TaskCompletionSource changed;
            lock (_lock)
            {
                if (value == _perSecond)
                {
                    return;
                }

                _perSecond = value;
                _rate = value is { } perSecond ? new Rate(perSecond, clock) : default;
                _fullAt = 0;
                _isBounded = value is not null;
                changed = _changed;
                _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            changed.SetResult();
        }
    }

    /// <summary>A connection was accepted. Loops that accept at the same moment may be ahead by one each, which the next ones wait for.</summary>
    public void OnAccepted()
    {
        if (!_isBounded)
        {
            return;
        }

        lock (_lock)
        {
            if (_isBounded)
            {
                _rate.Take(ref _fullAt, clock.GetTimestamp());
            }
        }
    }

    public bool MustWait => _isBounded && Wait(out _) > TimeSpan.Zero;

    /// <summary>Completes when it looks as if another may be accepted: look again.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        var wait = Wait(out var changed);
        if (wait == TimeSpan.Zero)
        {
            return;
        }

        await changed.WaitAsync(wait < ShortestWait ? ShortestWait : wait, clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private TimeSpan Wait(out Task changed)
    {
        lock (_lock)
        {
            changed = _changed.Task;
            return _isBounded ? _rate.WaitFor(_fullAt, clock.GetTimestamp()) : TimeSpan.Zero;
        }
    }
}
