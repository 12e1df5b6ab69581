using HdrHistogram;

namespace Peregrine.LoadTest.Driving;

/// <summary>Latencies of all connections, while they are measured. A histogram for each thread, so that threads do not meet.</summary>
internal sealed class Recorder : IDisposable
{
    // Microseconds, up to a minute, in three digits.
    private const long Longest = 60_000_000;
    private const int Digits = 3;

    private readonly ThreadLocal<LongHistogram> _histograms = new(() => new LongHistogram(1, Longest, Digits), trackAllValues: true);
    private volatile bool _measuring;
    private volatile bool _enough;

    public bool Enough => _enough;

    public void Start() => _measuring = true;

    public void Stop() => _measuring = false;

    /// <summary>No more messages are to be sent.</summary>
    public void End() => _enough = true;

    public void Record(TimeSpan latency)
    {
        if (_measuring)
        {
            _histograms.Value!.RecordValue(Math.Clamp((long)latency.TotalMicroseconds, 1, Longest));
        }
    }

    /// <summary>After the connections have ended.</summary>
    public LongHistogram Merge()
    {
        var all = new LongHistogram(1, Longest, Digits);
        foreach (var histogram in _histograms.Values)
        {
            all.Add(histogram);
        }

        return all;
    }

    public void Dispose() => _histograms.Dispose();
}
