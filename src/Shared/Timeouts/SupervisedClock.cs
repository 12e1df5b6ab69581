namespace Peregrine;

/// <summary>
/// The heartbeat's milliseconds. They go on by at most a few seconds from one beat to the next: a process that was stopped, or a machine that
/// slept, has not waited for its peers.
/// </summary>
internal sealed class SupervisedClock(TimeProvider clock)
{
    private static readonly TimeSpan LongestBeat = TimeSpan.FromSeconds(5);

    private readonly long _longest = (long)(LongestBeat.TotalSeconds * clock.TimestampFrequency);
    private long _origin = clock.GetTimestamp();
    private long _last = clock.GetTimestamp();

    /// <summary>It wraps around after 49 days: only differences count.</summary>
    public uint Now => At(clock.GetTimestamp());

    /// <summary>A beat, and the time since the last.</summary>
    public (uint Now, uint Elapsed) Beat()
    {
        var timestamp = clock.GetTimestamp();
        var late = timestamp - _last - _longest;
        if (late > 0)
        {
            Volatile.Write(ref _origin, _origin + late);
        }

        var before = At(timestamp - Math.Min(timestamp - _last, _longest));
        _last = timestamp;
        var now = At(timestamp);
        return (now, now - before);
    }

    private uint At(long timestamp) =>
        unchecked((uint)(ulong)((timestamp - Volatile.Read(ref _origin)) * (Int128)1000 / clock.TimestampFrequency));
}
