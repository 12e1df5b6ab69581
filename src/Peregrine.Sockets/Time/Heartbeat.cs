using System.Collections.Concurrent;

namespace Peregrine.Sockets.Time;

/// <summary>Is called once a second while it is registered with a <see cref="Heartbeat"/>.</summary>
internal interface IHeartbeatListener
{
    /// <summary>Called on a timer thread; must not block.</summary>
    /// <param name="now">A timestamp of the heartbeat's clock.</param>
    void OnHeartbeat(long now);
}

/// <summary>One timer, of one second, for every timeout of a transport. It runs only while somebody listens.</summary>
internal sealed class Heartbeat : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<IHeartbeatListener, bool> _listeners = new(ReferenceEqualityComparer.Instance);
    private readonly Lock _lock = new();
    private readonly ITimer _timer;
    private bool _running;

    public Heartbeat(TimeProvider clock)
    {
        Clock = clock;
        using (ExecutionContext.SuppressFlow())
        {
            _timer = clock.CreateTimer(static state => ((Heartbeat)state!).Beat(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    public TimeProvider Clock { get; }

    public void Add(IHeartbeatListener listener)
    {
        _listeners[listener] = true;
        lock (_lock)
        {
            if (!_running)
            {
                _running = true;
                _timer.Change(Interval, Interval);
            }
        }
    }

    public void Remove(IHeartbeatListener listener) => _listeners.TryRemove(listener, out _);

    public void Dispose() => _timer.Dispose();

    private void Beat()
    {
        var now = Clock.GetTimestamp();
        foreach (var (listener, _) in _listeners)
        {
            listener.OnHeartbeat(now);
        }

        lock (_lock)
        {
            // A listener that was added before this lock is seen here; one that is added after it starts the timer again.
            if (_running && _listeners.IsEmpty)
            {
                _running = false;
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
    }
}
