namespace Peregrine;

/// <summary>Lets a log entry through once a minute, and counts what happens between. Safe to use from any thread.</summary>
internal sealed class ReportInterval(TimeProvider clock)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private long? _reportedAt;
    private long _count;

    /// <summary>It has happened once more.</summary>
    /// <param name="count">How often since the last report.</param>
    /// <returns>Whether to report it.</returns>
    public bool IsDue(out long count)
    {
        lock (_lock)
        {
            _count++;
            count = _count;
            var now = clock.GetTimestamp();
            if (_reportedAt is { } last && clock.GetElapsedTime(last, now) < Interval)
            {
                return false;
            }

            _reportedAt = now;
            _count = 0;
            return true;
        }
    }
}
