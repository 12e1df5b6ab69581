using System.CommandLine;
using Peregrine.LoadTest.Results;
using Peregrine.LoadTest.Scenarios;

namespace Peregrine.LoadTest.Commands;

/// <summary>One load, or one scenario, and one table.</summary>
internal static class CompareCommand
{
    private const string ScenarioName = "--scenario";

    public static Command Create()
    {
        var (load, plan) = (new LoadArguments(), new PlanArguments(defaultRounds: 3));
        var scenario = new Option<string?>(ScenarioName) { Description = $"What is measured, instead of a load of your own: {Scenario.Names}." };
        var command = new Command("compare", "Starts each contestant as a process of its own, drives them in turns, and prints a table.") { scenario };
        plan.AddTo(command);
        load.AddTo(command);
        command.SetAction((result, cancellation) => RunAsync(TryRead(result, load, result.GetValue(scenario)), () => plan.TryRead(result), cancellation));
        return command;
    }

    private static Scenario? TryRead(ParseResult result, LoadArguments load, string? name)
    {
        var custom = load.Read(result);
        var scenario = name is null ? Scenario.Echo("load", custom, "") : Scenario.Find(name);
        var problem = scenario is null ? $"{ScenarioName} {name}: there is no such scenario; choose from {Scenario.Names}."
            : name is null ? LoadArguments.Problem(custom)
            : load.FirstGiven(result) is { } option ? $"{ScenarioName} {name} has its own load: leave {option} out, or {ScenarioName}."
            : null;
        if (problem is not null)
        {
            Console.Error.WriteLine(problem);
            return null;
        }

        return scenario! with { Load = load.Apply(scenario.Load, result) };
    }

    private static async Task<int> RunAsync(Scenario? scenario, Func<RunPlan?> readPlan, CancellationToken cancellationToken)
    {
        if (scenario is null || readPlan() is not { } plan)
        {
            return 1;
        }

        using (plan)
        {
            Console.WriteLine($"{scenario.LoadInWords}, {scenario.Load.Seconds} s after {scenario.Load.WarmUp} s of warm-up; rounds: {plan.Rounds}; {plan.Placement}");
            using var run = new ScenarioRun(scenario, plan);
            var result = await run.RunAsync(cancellationToken);
            if (result.Contestants.Count == 0)
            {
                return 1;
            }

            Console.WriteLine();
            ResultTable.WriteMedians(result, Console.Out);
            ResultTable.WriteRatios(result, Console.Out);
            ResultTable.WriteNegotiated(result, Console.Out);
            return result.Failed.Any() ? 1 : 0;
        }
    }
}
