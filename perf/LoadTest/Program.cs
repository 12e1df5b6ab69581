using System.CommandLine;
using Peregrine.LoadTest;
using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Driving;

var load = new LoadArguments();
var rounds = new Option<int>("--rounds") { Description = "How often each contestant is driven; medians are reported.", DefaultValueFactory = _ => 3 };
var contestants = new Option<string[]>("--contestants")
{
    Description = "Who takes part, separated by commas: " + string.Join(", ", Contestant.All.Select(contestant => contestant.Name)) + ".",
    DefaultValueFactory = _ => [.. Contestant.All.Select(contestant => contestant.Name)],
    CustomParser = result => result.Tokens[0].Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
};
var pin = new Option<bool>("--pin") { Description = "Give the server one core and the client the others (taskset)." };
rounds.Validators.Add(LoadArguments.From(1, 100));
contestants.Validators.Add(result =>
{
    foreach (var name in result.GetValueOrDefault<string[]>() ?? [])
    {
        if (Contestant.Find(name) is null)
        {
            result.AddError($"--contestants: there is no contestant \"{name}\"; there are {string.Join(", ", Contestant.All.Select(known => known.Name))}.");
        }
    }
});

var compare = new Command("compare", "Starts each contestant as a process of its own, drives them in turns, and prints a table.") { rounds, contestants, pin };
load.AddTo(compare);
compare.SetAction((result, cancellation) => new Comparison(
    load.Read(result), result.GetValue(rounds), [.. result.GetValue(contestants)!.Select(name => Contestant.Find(name)!).Distinct()], result.GetValue(pin)).RunAsync(cancellation));

// The two sides of a comparison, each a process of its own.
var name = new Argument<string>("contestant");
var serve = new Command("serve", "Runs one contestant until its standard input ends; prints its port.") { name };
serve.Hidden = true;
serve.SetAction(result => Contestant.Find(result.GetValue(name)!)!.ServeAsync());

var port = new Option<int>("--port") { Required = true };
var serverProcess = new Option<int>("--server-process") { Required = true };
var drive = new Command("drive", "Drives one server; prints the measurement.") { port, serverProcess };
drive.Hidden = true;
load.AddTo(drive);
drive.SetAction((result, cancellation) =>
    new LoadGenerator(load.Read(result), result.GetValue(port), result.GetValue(serverProcess)).RunAsync(cancellation));

var root = new RootCommand("Measures echo servers against each other over loopback. Each byte that comes back is checked.") { compare, serve, drive };
return await root.Parse(args).InvokeAsync();
