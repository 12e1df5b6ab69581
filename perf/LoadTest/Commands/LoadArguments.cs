using System.CommandLine;
using Peregrine.LoadTest.Driving;

namespace Peregrine.LoadTest.Commands;

/// <summary>The options of the load, the same for the comparison and for the process that drives.</summary>
internal sealed class LoadArguments
{
    private const string Connections = "--connections";
    private const string Depth = "--depth";
    private const string Size = "--size";
    private const string Tls = "--tls";

    private readonly Option<int> _connections = NumberOption.Create(Connections, "Connections at once.", 64, 1, 15_000);
    private readonly Option<int> _depth = NumberOption.Create(Depth, "Messages in flight on each connection.", 1, 1, 10_000);
    private readonly Option<int> _size = NumberOption.Create(Size, "Bytes of a message.", 64, 8, Load.MostInFlight);
    private readonly Option<bool> _tls = new(Tls) { Description = "Encrypt; contestants without TLS are left out." };
    private readonly DurationArguments _duration = new();

    public static string[] Of(Load load) =>
    [
        Connections, $"{load.Connections}", Depth, $"{load.Depth}", Size, $"{load.Size}", .. load.Tls ? [Tls] : Array.Empty<string>(),
        .. DurationArguments.Of(load),
    ];

    public void AddTo(Command command)
    {
        command.Add(_connections);
        command.Add(_depth);
        command.Add(_size);
        command.Add(_tls);
        _duration.AddTo(command);
    }

    public Load Read(ParseResult result) => _duration.Apply(
        new Load(result.GetValue(_connections), result.GetValue(_depth), result.GetValue(_size), Tls: result.GetValue(_tls)), result);

    /// <summary>How long, for a load that is given otherwise.</summary>
    public Load Apply(Load load, ParseResult result) => _duration.Apply(load, result);

    /// <summary>The name of an option of the load's shape that was given; null if none was.</summary>
    public string? FirstGiven(ParseResult result) =>
        new Option[] { _connections, _depth, _size, _tls }.FirstOrDefault(option => result.GetResult(option) is { Implicit: false })?.Name;

    /// <summary>What is wrong with the load, in one line; null if nothing is.</summary>
    public static string? Problem(Load load) => load.IsTooMuch
        ? $"{Depth} {load.Depth} × {Size} {load.Size}: a connection may have at most {Load.MostInFlight} bytes in flight; choose less of either."
        : null;
}
