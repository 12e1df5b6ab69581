using System.CommandLine;
using System.CommandLine.Parsing;

namespace Peregrine.LoadTest;

/// <summary>The load that is put on a server.</summary>
/// <param name="Connections">Connections at once.</param>
/// <param name="Depth">Messages in flight on each connection.</param>
/// <param name="Size">Bytes of a message.</param>
/// <param name="Seconds">How long is measured.</param>
/// <param name="WarmUp">Seconds before that.</param>
internal sealed record Load(int Connections, int Depth, int Size, int Seconds, int WarmUp)
{
    /// <summary>A connection sends all that it may have in flight before it reads, so the kernel has to hold it.</summary>
    public const int MostInFlight = 1 << 20;

    public bool IsTooMuch => Depth * (long)Size > MostInFlight;

    public string[] ToArguments() =>
    [
        LoadArguments.Connections, $"{Connections}", LoadArguments.Depth, $"{Depth}", LoadArguments.Size, $"{Size}",
        LoadArguments.Seconds, $"{Seconds}", LoadArguments.WarmUp, $"{WarmUp}",
    ];

    public override string ToString() =>
        $"{Connections} connections × {Depth} in flight × {Size} bytes, {Seconds} s after {WarmUp} s of warm-up";
}

/// <summary>The options of the load, the same for the comparison and for the process that drives.</summary>
internal sealed class LoadArguments
{
    public const string Connections = "--connections";
    public const string Depth = "--depth";
    public const string Size = "--size";
    public const string Seconds = "--seconds";
    public const string WarmUp = "--warmup";

    private readonly Option<int> _connections = Number(Connections, "Connections at once.", 64, 1, 15_000);
    private readonly Option<int> _depth = Number(Depth, "Messages in flight on each connection.", 1, 1, 10_000);
    private readonly Option<int> _size = Number(Size, "Bytes of a message.", 64, 8, Load.MostInFlight);
    private readonly Option<int> _seconds = Number(Seconds, "How long is measured, in each round.", 5, 1, 3_600);
    private readonly Option<int> _warmUp = Number(WarmUp, "Seconds of load before that.", 3, 0, 3_600);

    public void AddTo(Command command)
    {
        command.Add(_connections);
        command.Add(_depth);
        command.Add(_size);
        command.Add(_seconds);
        command.Add(_warmUp);
    }

    public Load Read(ParseResult result) => new(
        result.GetValue(_connections), result.GetValue(_depth), result.GetValue(_size), result.GetValue(_seconds), result.GetValue(_warmUp));

    public static Action<OptionResult> From(int least, int most) => result =>
    {
        if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var value) && (value < least || value > most))
        {
            result.AddError($"{result.Option.Name} {value}: choose a number from {least} to {most}.");
        }
    };

    private static Option<int> Number(string name, string description, int value, int least, int most)
    {
        var option = new Option<int>(name) { Description = $"{description} From {least} to {most}.", DefaultValueFactory = _ => value };
        option.Validators.Add(From(least, most));
        return option;
    }
}
