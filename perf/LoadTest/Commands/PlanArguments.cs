using System.CommandLine;
using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Scenarios;

namespace Peregrine.LoadTest.Commands;

/// <summary>Who takes part, how often, and where.</summary>
internal sealed class PlanArguments(int defaultRounds)
{
    private readonly Option<int> _rounds =
        NumberOption.Create("--rounds", "How often each contestant is driven; medians are reported.", defaultRounds, 1, 100);

    private readonly Option<Contestant[]> _contestants =
        NamesOption.Create("--contestants", "Who takes part", "contestant", Contestant.Names, $"All but {Contestant.ExtraNames}", Contestant.Find);

    private readonly Option<bool> _pin = new("--pin") { Description = "Give the server one core and the client the others (taskset)." };

    public void AddTo(Command command)
    {
        command.Add(_rounds);
        command.Add(_contestants);
        command.Add(_pin);
    }

    public RunPlan? TryRead(ParseResult result) => RunPlan.TryCreate(
        result.GetValue(_rounds), result.GetValue(_contestants) is { Length: > 0 } some ? some : null, result.GetValue(_pin));
}
