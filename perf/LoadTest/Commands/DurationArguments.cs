using System.CommandLine;
using Peregrine.LoadTest.Driving;

namespace Peregrine.LoadTest.Commands;

internal sealed class DurationArguments
{
    private const string Seconds = "--seconds";
    private const string WarmUp = "--warmup";

    private readonly Option<int> _seconds = NumberOption.Create(Seconds, "How long is measured, in each round.", 5, 1, 3_600);
    private readonly Option<int> _warmUp = NumberOption.Create(WarmUp, "Seconds of load before that.", 3, 0, 3_600);

    public static string[] Of(Load load) => [Seconds, $"{load.Seconds}", WarmUp, $"{load.WarmUp}"];

    public void AddTo(Command command)
    {
        command.Add(_seconds);
        command.Add(_warmUp);
    }

    public Load Apply(Load load, ParseResult result) =>
        load with { Seconds = result.GetValue(_seconds), WarmUp = result.GetValue(_warmUp) };
}
