using Peregrine.LoadTest.Contestants;

namespace Peregrine.LoadTest.Results;

/// <summary>What one contestant did in one scenario.</summary>
internal sealed class ContestantResult(Contestant contestant)
{
    public Contestant Contestant { get; } = contestant;

    public List<Measurement> Rounds { get; } = [];

    /// <summary>Why it has fewer rounds than others; null if it has not.</summary>
    public string? Failure { get; set; }

    /// <summary>The protocol version and the cipher suite, if it was measured with TLS: the client offers one of each.</summary>
    public string? Negotiated => Rounds.Count > 0 ? Rounds[0].Negotiated : null;

    public double? Median(Metric metric)
    {
        var sorted = Values(metric);
        return sorted.Length == 0 ? null : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>In all rounds, from the least to the greatest.</summary>
    public double[] Values(Metric metric) => [.. Rounds.Select(round => round.Get(metric)).OfType<double>().Order()];
}
