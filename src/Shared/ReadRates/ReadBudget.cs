using Peregrine.Features;

namespace Peregrine;

/// <summary>
/// A token bucket that may be in debt: a receive brings what it brings, up to 256 KiB, and is paid for before the next. (The buckets of
/// System.Threading.RateLimiting have no debt, and must know what a receive will bring.)
/// </summary>
internal struct ReadBudget(IConnectionByteCountFeature counts, TimeProvider clock, int bytesPerSecond)
{
    private double _balance = bytesPerSecond;
    private long _counted = counts.BytesReceived;
    private long _at = clock.GetTimestamp();

    /// <summary>Whether something may be received now.</summary>
    /// <param name="bytesPerSecond">What holds now; null for any number.</param>
    public bool Allows(int? bytesPerSecond)
    {
        var (now, received) = (clock.GetTimestamp(), counts.BytesReceived);
        if (bytesPerSecond is not { } rate)
        {
            // What is received while any number may be is no debt for later.
            (_balance, _at, _counted) = (0, now, received);
            return true;
        }

        var earned = rate * clock.GetElapsedTime(_at, now).TotalSeconds;
        _balance = Math.Min(rate, _balance + earned) - (received - _counted);
        _at = now;
        _counted = received;
        return _balance > 0;
    }
}
