using System.Runtime.InteropServices;
using System.Threading.RateLimiting;

namespace Peregrine;

/// <summary>
/// How many connections of an address are accepted in a second. A partition is two numbers, and is dropped within a second of the time at which its
/// burst is whole again, which is one second after a single connection at the latest: there are never more than connections were accepted in two seconds, or, with
/// a burst that takes longer, in that time, each for as many connections as it takes.
/// </summary>
/// <remarks>
/// The partitions of <see cref="PartitionedRateLimiter.Create"/> are objects that stay for at least ten seconds, are all visited ten times a second,
/// allocate at each call, and know no clock but the system's: an attack from many addresses would pay for them with our memory. Safe to use from any
/// thread.
/// </remarks>
internal sealed class PeerRateLimiter(int perSecond, TimeProvider clock, int? burst = null) : PartitionedRateLimiter<PeerNetwork>
{
    private static readonly TimeSpan SweepInterval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<PeerNetwork, long> _fullAt = [];
    private readonly Rate _rate = new(perSecond, clock, burst);
    private long _sweptAt = clock.GetTimestamp();

    public int PerSecond => perSecond;

    /// <summary>How many addresses it knows of.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _fullAt.Count;
            }
        }
    }

    public override RateLimiterStatistics? GetStatistics(PeerNetwork resource) => null;

    protected override RateLimitLease AttemptAcquireCore(PeerNetwork resource, int permitCount)
    {
        var now = clock.GetTimestamp();
        lock (_lock)
        {
            if (clock.GetElapsedTime(_sweptAt, now) >= SweepInterval)
            {
                SweepLocked(now);
            }

            ref var fullAt = ref CollectionsMarshal.GetValueRefOrAddDefault(_fullAt, resource, out var exists);
            fullAt = exists ? fullAt : now;
            return _rate.TryTake(ref fullAt, now) ? Lease.Acquired : Lease.Refused;
        }
    }

    /// <summary>Nobody waits: what is too much is refused.</summary>
    protected override ValueTask<RateLimitLease> AcquireAsyncCore(PeerNetwork resource, int permitCount, CancellationToken cancellationToken) =>
        new(AttemptAcquireCore(resource, permitCount));

    /// <summary>A bucket that is full is as good as none.</summary>
    private void SweepLocked(long now)
    {
        _sweptAt = now;
        foreach (var (network, fullAt) in _fullAt)
        {
            if (fullAt <= now)
            {
                _fullAt.Remove(network);
            }
        }
    }

    private sealed class Lease(bool isAcquired) : RateLimitLease
    {
        public static readonly Lease Acquired = new(true);
        public static readonly Lease Refused = new(false);

        public override bool IsAcquired => isAcquired;

        public override IEnumerable<string> MetadataNames => [];

        public override bool TryGetMetadata(string metadataName, out object? metadata)
        {
            metadata = null;
            return false;
        }
    }
}
