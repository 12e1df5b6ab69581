using System.Globalization;
using Peregrine.LoadTest.Scenarios;

namespace Peregrine.LoadTest.Results;

/// <summary>All results as files: tables for people, numbers for programs, and a plot for each scenario.</summary>
internal static class Report
{
    public const string FileName = "report.md";
    private const string NumbersName = "report.csv";

    public static async Task WriteAsync(IReadOnlyList<ScenarioResult> results, RunPlan plan, DirectoryInfo folder, CancellationToken cancellationToken)
    {
        foreach (var result in results)
        {
            if (Plots.TryDraw(result) is { } plot)
            {
                await File.WriteAllTextAsync(Path.Combine(folder.FullName, PlotName(result)), plot, cancellationToken);
            }
        }

        await File.WriteAllTextAsync(Path.Combine(folder.FullName, NumbersName), Numbers(results), cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, FileName), Text(results, plan), cancellationToken);
    }

    private static string PlotName(ScenarioResult result) => result.Scenario.Name + ".svg";

    private static string Text(IReadOnlyList<ScenarioResult> results, RunPlan plan)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture) { NewLine = "\n" };
        text.WriteLine("# Load test");
        text.WriteLine();
        text.WriteLine($"{MachineFacts.Describe()}; {plan.Placement}.");
        text.WriteLine();
        text.WriteLine($"Medians; rounds: {plan.Rounds}, in which the contestants took turns. Only ratios within a table mean something on another machine.");
        text.WriteLine("Where the server's core is not near 100 %, the client or the latency is the limit, and the CPU time is what to compare.");
        foreach (var result in results)
        {
            WriteScenario(result, text);
        }

        return text.ToString();
    }

    private static void WriteScenario(ScenarioResult result, StringWriter text)
    {
        var scenario = result.Scenario;
        text.WriteLine();
        text.WriteLine($"## {scenario.Name}");
        text.WriteLine();
        text.WriteLine($"{scenario.Description} {scenario.LoadInWords}; {scenario.Load.Seconds} s after {scenario.Load.WarmUp} s of warm-up.");
        text.WriteLine();
        ResultTable.WriteMedians(result, text);
        ResultTable.WriteRatios(result, text);
        ResultTable.WriteNegotiated(result, text);
        foreach (var failed in result.Failed)
        {
            text.WriteLine($"- {failed.Failure}");
            text.WriteLine();
        }

        if (Plots.IsDrawn(result))
        {
            text.WriteLine($"![{scenario.Metrics[0].Title}]({PlotName(result)})");
        }
    }

    private static string Numbers(IReadOnlyList<ScenarioResult> results)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture) { NewLine = "\n" };
        text.WriteLine("scenario,contestant,round,metric,value");
        foreach (var result in results)
        {
            foreach (var contestant in result.Contestants)
            {
                for (var round = 0; round < contestant.Rounds.Count; round++)
                {
                    foreach (var (metric, value) in contestant.Rounds[round])
                    {
                        text.WriteLine(string.Create(
                            CultureInfo.InvariantCulture, $"{result.Scenario.Name},{contestant.Contestant.Name},{round + 1},{metric},{value:0.####}"));
                    }
                }
            }
        }

        return text.ToString();
    }
}
