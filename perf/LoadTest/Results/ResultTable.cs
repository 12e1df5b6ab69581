using System.Globalization;
using Peregrine.LoadTest.Contestants;

namespace Peregrine.LoadTest.Results;

/// <summary>The medians of a comparison, as a table in Markdown.</summary>
internal static class ResultTable
{
    public static void Print(IReadOnlyList<(Contestant Contestant, Measurement Median)> results, TextWriter output)
    {
        var reference = results.FirstOrDefault(result => result.Contestant.Name == Contestant.Reference).Median;
        output.WriteLine("| contestant | messages/s | p50 µs | p99 µs | p99.9 µs | server CPU µs/message | messages/s to Kestrel |");
        output.WriteLine("|---|---:|---:|---:|---:|---:|---:|");
        foreach (var (contestant, median) in results)
        {
            var ratio = reference is null ? "–" : (median.MessagesPerSecond / reference.MessagesPerSecond).ToString("0.00", CultureInfo.InvariantCulture) + " ×";
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {contestant.Title} | {median.MessagesPerSecond:N0} | {median.P50:N0} | {median.P99:N0} | {median.P999:N0} | {median.ServerCpuPerMessage:0.00} | {ratio} |"));
        }
    }
}
