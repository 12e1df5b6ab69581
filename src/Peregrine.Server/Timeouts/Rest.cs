using Peregrine.Features;

namespace Peregrine.Server.Timeouts;

/// <summary>
/// Thousands of connections wait most of the time, and the memory that a full look at each touches is what a heartbeat costs. After a look that found
/// nothing going on, and nothing to wait for, one number tells whether another is needed: <see cref="IConnectionBufferFeature.ActivityStamp"/>.
/// </summary>
/// <param name="stamp">That before the look.</param>
/// <param name="now">The look's time.</param>
/// <param name="quietTime">How long, in milliseconds, no timeout can be over without activity. None rests for no time.</param>
internal readonly struct Rest(uint stamp, uint now, uint quietTime)
{
    /// <summary>What is written and not flushed is no activity, and is counted after this time at the latest.</summary>
    private const uint Longest = 8_000;

    private readonly uint _stamp = stamp;

    // Times wrap around: those of no rest are equal.
    private readonly uint _from = now;
    private readonly uint _until = unchecked(now + Math.Min(quietTime, Longest));

    /// <summary>It lasts for any time.</summary>
    public bool Lasts => _from != _until;

    /// <summary>Whether it goes on.</summary>
    public bool Covers(uint now, IConnectionBufferFeature? buffers)
    {
        try
        {
            return Lasts && PeerProgress.Since(now, _until) > 0 && buffers?.ActivityStamp == _stamp;
        }
        catch (Exception)
        {
            return false; // A foreign transport's: the look that follows reports it.
        }
    }
}
