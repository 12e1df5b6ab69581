namespace Peregrine.Server.Connections;

/// <summary>
/// What the connections of an endpoint have moved since it began, those included that are gone. Nothing is counted while they work: their own counts are
/// looked at when somebody asks, and at their ends; each time, what is new since the look before is added, so that no sum ever goes down.
/// </summary>
/// <remarks>Safe to use from any thread. Times are the clock's.</remarks>
internal sealed class Traffic(ConnectionTracker tracker, TimeProvider clock)
{
    private const int Read = 1;
    private const int Written = 2;
    private const int Waited = 4;

    /// <summary>A collector asks for all that it wants within it. What another has looked at before is too old.</summary>
    private static readonly TimeSpan Freshness = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();

    // Under the lock. A collector asks for each of the three in turn, and one look is enough for all.
    private TrafficCounts _sums;
    private int _fresh;
    private long _lookedAt;

    public long ReadBytes => Take(Read).ReadBytes;

    public long WrittenBytes => Take(Written).WrittenBytes;

    /// <summary>For how long flushed bytes waited.</summary>
    public TimeSpan WaitedTime => Take(Waited).WaitedTime;

    /// <summary>Adds what a connection has moved since the last look.</summary>
    public void Look(ServerConnection connection)
    {
        TrafficCounts now;
        try
        {
            now = connection.Supervision.Traffic;
        }
        catch (Exception)
        {
            return; // A foreign transport's: it has moved what it had moved before.
        }

        lock (_lock)
        {
            // Two may look at once, and the older look come last.
            var before = connection.SeenTraffic;
            connection.SeenTraffic = now = new TrafficCounts(
                Math.Max(before.ReadBytes, now.ReadBytes), Math.Max(before.WrittenBytes, now.WrittenBytes),
                before.WaitedTime > now.WaitedTime ? before.WaitedTime : now.WaitedTime);
            _sums = new TrafficCounts(
                _sums.ReadBytes + now.ReadBytes - before.ReadBytes, _sums.WrittenBytes + now.WrittenBytes - before.WrittenBytes,
                _sums.WaitedTime + now.WaitedTime - before.WaitedTime);
        }
    }

    private TrafficCounts Take(int what)
    {
        lock (_lock)
        {
            if ((_fresh & what) != 0 && clock.GetElapsedTime(_lookedAt) < Freshness)
            {
                _fresh &= ~what;
                return _sums;
            }
        }

        var some = new List<ServerConnection>();
        for (var end = int.MaxValue; end > 0; some.Clear())
        {
            end = tracker.AddSome(end, some);
            some.ForEach(Look);
        }

        lock (_lock)
        {
            _fresh = (Read | Written | Waited) & ~what;
            _lookedAt = clock.GetTimestamp();
            return _sums;
        }
    }
}

/// <summary>What a connection has moved by now, or many.</summary>
internal readonly record struct TrafficCounts(long ReadBytes, long WrittenBytes, TimeSpan WaitedTime);
