namespace Peregrine.LoadTest.Results;

/// <summary>What one round measured.</summary>
/// <param name="MessagesPerSecond">Messages that came back whole, in a second.</param>
/// <param name="P50">Median latency, in microseconds.</param>
/// <param name="P99">99th percentile, in microseconds.</param>
/// <param name="P999">99.9th percentile, in microseconds.</param>
/// <param name="ServerCpuPerMessage">CPU time of the server's process, user and system, in microseconds.</param>
internal sealed record Measurement(double MessagesPerSecond, double P50, double P99, double P999, double ServerCpuPerMessage)
{
    /// <summary>The median of each number by itself.</summary>
    public static Measurement Median(IReadOnlyList<Measurement> rounds) => new(
        Median(rounds, round => round.MessagesPerSecond),
        Median(rounds, round => round.P50),
        Median(rounds, round => round.P99),
        Median(rounds, round => round.P999),
        Median(rounds, round => round.ServerCpuPerMessage));

    private static double Median(IReadOnlyList<Measurement> rounds, Func<Measurement, double> number)
    {
        var sorted = rounds.Select(number).Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
