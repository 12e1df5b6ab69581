namespace Peregrine;

/// <summary>
/// So many a second on average, with a burst of as many, or of another number: a token bucket as one number, the time at which it will be full again (the generic cell rate
/// algorithm, ITU-T I.371). It needs no timer. All numbers are timestamps of one clock.
/// </summary>
internal readonly struct Rate(int perSecond, TimeProvider clock, int? burst = null)
{
    private readonly long _depth = burst is { } most ? clock.TimestampFrequency / perSecond * most : clock.TimestampFrequency;
    private readonly long _each = clock.TimestampFrequency / perSecond;
    private readonly double _second = clock.TimestampFrequency;

    /// <summary>Takes one, if there is one.</summary>
    /// <param name="fullAt">When the bucket will be full again; the caller keeps it.</param>
    /// <param name="now">The time.</param>
    public bool TryTake(ref long fullAt, long now)
    {
        if (WaitFor(fullAt, now) > TimeSpan.Zero)
        {
            return false;
        }

        Take(ref fullAt, now);
        return true;
    }

    /// <summary>Takes one, also where there is none: then the next ones wait longer.</summary>
    public void Take(ref long fullAt, long now) => fullAt = Math.Max(fullAt, now) + _each;

    /// <summary>How long until there is one; zero if there is.</summary>
    public TimeSpan WaitFor(long fullAt, long now)
    {
        var early = Math.Max(fullAt, now) + _each - now - _depth;
        return early <= 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(early / _second);
    }
}
