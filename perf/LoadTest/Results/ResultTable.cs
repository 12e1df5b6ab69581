using System.Globalization;
using Peregrine.LoadTest.Contestants;

namespace Peregrine.LoadTest.Results;

/// <summary>The medians of a scenario, as tables in Markdown.</summary>
internal static class ResultTable
{
    /// <summary>Medians, and the least and the greatest of the rounds for what the scenario is about.</summary>
    public static void WriteMedians(ScenarioResult result, TextWriter output)
    {
        var metrics = result.Scenario.Metrics;
        var hasSpread = result.Contestants.Any(contestant => contestant.Rounds.Count > 1);
        Write(
            output,
            ["contestant", .. metrics.Select(metric => metric.Title), .. hasSpread ? [$"{metrics[0].Title}, min–max"] : Array.Empty<string>()],
            result.Contestants.Select(contestant => (string[])
            [
                contestant.Contestant.Title,
                .. metrics.Select(metric => metric.Show(contestant.Median(metric))),
                .. hasSpread ? [Spread(contestant, metrics[0])] : Array.Empty<string>(),
            ]));
    }

    /// <summary>Every median as a multiple of the same median of the scenario's reference, and of the limits; of the first contestant, if neither takes part.</summary>
    public static void WriteRatios(ScenarioResult result, TextWriter output)
    {
        string[] others = [.. new[] { result.Scenario.Reference }.Concat(result.Scenario.Limits).Where(result.Has)];
        if (others.Length == 0 && result.Contestants is [var first, _, ..])
        {
            others = [first.Contestant.Name];
        }

        var columns = result.Scenario.Metrics.Where(metric => metric.IsCompared)
            .SelectMany(metric => others.Select(other => (Metric: metric, Other: other))).ToArray();
        if (columns.Length > 0)
        {
            Write(
                output,
                ["contestant", .. columns.Select(column => $"{column.Metric.Title} to {ScenarioResult.OtherName(column.Other)}")],
                result.Contestants.Select(contestant => (string[])
                    [contestant.Contestant.Title, .. columns.Select(column => Times(result.Ratio(contestant, column.Metric, column.Other)))]));
        }
    }

    /// <summary>What the client and each contestant agreed on, so that none is faster by a weaker choice.</summary>
    public static void WriteNegotiated(ScenarioResult result, TextWriter output)
    {
        foreach (var same in result.Contestants.Where(contestant => contestant.Negotiated is not null).GroupBy(contestant => contestant.Negotiated))
        {
            output.WriteLine($"{same.Key}: {string.Join("; ", same.Select(contestant => contestant.Contestant.Title))}.");
            output.WriteLine();
        }
    }

    private static string Spread(ContestantResult result, Metric metric) =>
        result.Values(metric) is [var least, .., var greatest] ? $"{metric.Show(least)}–{metric.Show(greatest)}" : "–";

    private static string Times(double? ratio) => ratio is { } value ? value.ToString("0.00", CultureInfo.InvariantCulture) + " ×" : "–";

    private static void Write(TextWriter output, string[] header, IEnumerable<string[]> rows)
    {
        output.WriteLine($"| {string.Join(" | ", header)} |");
        output.WriteLine($"|---|{string.Concat(Enumerable.Repeat("---:|", header.Length - 1))}");
        foreach (var row in rows)
        {
            output.WriteLine($"| {string.Join(" | ", row)} |");
        }

        output.WriteLine();
    }
}
