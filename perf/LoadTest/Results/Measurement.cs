using Peregrine.LoadTest.Driving;

namespace Peregrine.LoadTest.Results;

/// <summary>What one round measured, or the medians of several: numbers by the key of their <see cref="Metric"/>.</summary>
internal sealed class Measurement : Dictionary<string, double>
{
    /// <summary>The protocol version and the cipher suite, if it was measured with TLS.</summary>
    public string? Negotiated { get; set; }

    /// <summary>Of what has a rate, a latency, and a price in CPU time.</summary>
    public static Measurement OfTransactions(Latencies latencies, MeasuringWindow window, Metric rate, Metric cpu) => new()
    {
        [rate.Key] = latencies.Count / window.Elapsed.TotalSeconds,
        [Metric.P50.Key] = latencies.Percentile(50),
        [Metric.P99.Key] = latencies.Percentile(99),
        [Metric.P999.Key] = latencies.Percentile(99.9),
        [cpu.Key] = window.ServerCpu.TotalMicroseconds / Math.Max(latencies.Count, 1),
        [Metric.ServerCore.Key] = window.ServerPercent,
        [Metric.ClientCore.Key] = window.ClientPercent,
    };

    public double? Get(Metric metric) => TryGetValue(metric.Key, out var value) ? value : null;
}
