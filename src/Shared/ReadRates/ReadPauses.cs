namespace Peregrine;

/// <summary>
/// Ends the pauses of readers that were too fast: one timer for all of them, which runs only while there are any. Ten times a second, because a
/// heartbeat of a second would let them go on in bursts of a second.
/// </summary>
internal sealed class ReadPauses : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly ITimer _timer;

    // Under the lock.
    private readonly List<PacedReader> _paused = [];

    public ReadPauses(TimeProvider clock)
    {
        Clock = clock;
        using (ExecutionContext.SuppressFlow())
        {
            _timer = clock.CreateTimer(static state => ((ReadPauses)state!).Tick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    public TimeProvider Clock { get; }

    public void Add(PacedReader reader)
    {
        lock (_lock)
        {
            _paused.Add(reader);
            if (_paused.Count == 1)
            {
                _timer.Change(Interval, Interval);
            }
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Tick()
    {
        lock (_lock)
        {
            // What goes on does so elsewhere, not under the lock.
            _paused.RemoveAll(static reader => reader.TryGoOn());
            if (_paused.Count == 0)
            {
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
    }
}
