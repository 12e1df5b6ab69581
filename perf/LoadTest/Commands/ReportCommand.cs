using System.CommandLine;
using Peregrine.LoadTest.Driving;
using Peregrine.LoadTest.Results;
using Peregrine.LoadTest.Scenarios;

namespace Peregrine.LoadTest.Commands;

/// <summary>All scenarios; the tables are printed, and written to a folder with their numbers and plots.</summary>
internal static class ReportCommand
{
    private const string OutputName = "--output";

    public static Command Create()
    {
        var (duration, plan) = (new DurationArguments(), new PlanArguments(defaultRounds: 5));
        var scenarios = NamesOption.Create("--scenarios", "What is measured", "scenario", Scenario.Names, "All", Scenario.Find);
        var output = new Option<string>(OutputName)
        {
            Description = "The folder for report.md, report.csv and a plot for each scenario. It is created; files of these names are replaced.",
            DefaultValueFactory = _ => "load-report",
        };
        var command = new Command("report", "Runs every scenario; prints and writes a report.") { scenarios, output };
        plan.AddTo(command);
        duration.AddTo(command);
        command.SetAction(async (result, cancellation) =>
        {
            var chosen = result.GetValue(scenarios) is { Length: > 0 } some ? some : [.. Scenario.All];
            if (TryCreateFolder(result.GetValue(output)!) is not { } folder || plan.TryRead(result) is not { } read)
            {
                return 1;
            }

            using (read)
            {
                return await RunAsync(
                    [.. chosen.Select(scenario => scenario with { Load = duration.Apply(scenario.Load, result) })], read, folder, cancellation);
            }
        });
        return command;
    }

    // Before anything is measured: an hour later is too late to learn that there is nowhere to write.
    private static DirectoryInfo? TryCreateFolder(string path)
    {
        try
        {
            var folder = Directory.CreateDirectory(path);
            File.WriteAllText(Path.Combine(path, Report.FileName), "");
            return folder;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            Console.Error.WriteLine($"{OutputName} {path}: cannot write there ({exception.Message.TrimEnd('.')}); choose a folder that can be written to.");
            return null;
        }
    }

    private static async Task<int> RunAsync(Scenario[] scenarios, RunPlan plan, DirectoryInfo folder, CancellationToken cancellationToken)
    {
        var results = new List<ScenarioResult>();
        foreach (var scenario in scenarios)
        {
            using var run = new ScenarioRun(scenario, plan);
            results.Add(await run.RunAsync(cancellationToken));

            // After each scenario, so that what was measured is kept if a later one is interrupted.
            await Report.WriteAsync(results, plan, folder, cancellationToken);
        }

        Console.WriteLine();
        Console.WriteLine(await File.ReadAllTextAsync(Path.Combine(folder.FullName, Report.FileName), cancellationToken));
        return results.Any(result => result.Failed.Any()) ? 1 : 0;
    }
}
