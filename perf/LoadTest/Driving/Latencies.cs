using HdrHistogram;

namespace Peregrine.LoadTest.Driving;

/// <summary>The latencies that one thread saw while the window was open.</summary>
internal sealed class Latencies
{
    // Microseconds, up to a minute, in three digits.
    private const long Longest = 60_000_000;
    private const int Digits = 3;

    private readonly LongHistogram _histogram = new(1, Longest, Digits);

    public long Count => _histogram.TotalCount;

    public void Record(TimeSpan latency, int count = 1)
    {
        if (count > 0)
        {
            _histogram.RecordValueWithCount(Math.Clamp((long)latency.TotalMicroseconds, 1, Longest), count);
        }
    }

    public void Add(Latencies other) => _histogram.Add(other._histogram);

    public double Percentile(double percent) => _histogram.GetValueAtPercentile(percent);
}
