using System.CommandLine;
using Peregrine.Server.Admin.Protocol;
using Peregrine.Top;

var process = new Option<string?>("--process", "-p") { Description = "The process, by its id or its name. Default: the only one that runs Peregrine.", Recursive = true };
var admin = new Option<string?>("--admin", "-a") { Description = "The path of its admin socket (Peregrine:Admin:Socket). Default: it is found.", Recursive = true };
var interval = new Option<int>("--interval", "-i") { Description = "Seconds from one look to the next, from 1 to 60.", DefaultValueFactory = static _ => 1 };
var sort = new Option<string>("--sort", "-s") { Description = "The order of connections.", DefaultValueFactory = static _ => ConnectionSort.All[0].Name };
var once = new Option<bool>("--once") { Description = "Print one look as plain text, and end." };
var rows = new Option<int>("--rows") { Description = "How many connections --once prints, from 1 to 1000.", DefaultValueFactory = static _ => 100 };
sort.AcceptOnlyFromAmong([.. ConnectionSort.All.Select(static sort => sort.Name)]);
interval.Validators.Add(static result => CheckRange(result, 1, 60));
rows.Validators.Add(static result => CheckRange(result, 1, 1000));

var root = new RootCommand("A live view of Peregrine servers that run on this machine. It attaches by their diagnostics: they need nothing for it, and go on.")
{
    process, admin, interval, sort, once, rows,
};
root.SetAction((parsed, canceled) => RunAsync(() => Commands.TopAsync(
    TargetOf(parsed), TimeSpan.FromSeconds(parsed.GetValue(interval)), ConnectionSort.All.First(known => known.Name == parsed.GetValue(sort)), parsed.GetValue(once),
    parsed.GetValue(rows), canceled)));

var list = new Command("ps", "List the .NET processes that can be watched.");
list.SetAction((_, _) => RunAsync(() =>
{
    Commands.List();
    return Task.CompletedTask;
}));
root.Add(list);

var id = new Argument<string>("id") { Description = "The id of a connection." };
var show = new Command("show", "Show all that the server knows of a connection.") { id };
show.SetAction((parsed, canceled) => RunAsync(() => Commands.ShowAsync(TargetOf(parsed), parsed.GetValue(id)!, canceled)));
root.Add(show);

var abort = new Option<bool>("--abort") { Description = "Reset it at once. What is on its way to the peer may be lost." };
var close = new Command("close", "Ask a connection to end: what its handler still writes is sent.") { id, abort };
close.SetAction((parsed, canceled) => RunAsync(() => Commands.DoAsync(
    TargetOf(parsed),
    new AdminRequest { Request = parsed.GetValue(abort) ? AdminProtocol.Abort : AdminProtocol.Close, Connection = parsed.GetValue(id) },
    parsed.GetValue(abort) ? "It is reset." : "It is asked to end.",
    canceled)));
root.Add(close);

var endpoint = new Argument<string>("endpoint") { Description = "The name of an endpoint." };
var suspend = new Command("suspend", "Stop accepting on an endpoint. Its connections are not touched.") { endpoint };
suspend.SetAction((parsed, canceled) => RunAsync(() => Commands.DoAsync(
    TargetOf(parsed), new AdminRequest { Request = AdminProtocol.Suspend, Endpoint = parsed.GetValue(endpoint) }, "It is suspended.", canceled)));
root.Add(suspend);

var resume = new Command("resume", "Accept again on an endpoint.") { endpoint };
resume.SetAction((parsed, canceled) => RunAsync(() => Commands.DoAsync(
    TargetOf(parsed), new AdminRequest { Request = AdminProtocol.Resume, Endpoint = parsed.GetValue(endpoint) }, "It accepts.", canceled)));
root.Add(resume);

var settings = new Argument<string[]>("setting") { Description = "NAME=VALUE, as Limits:MaxConnections=500 or Endpoints:echo:Timeouts:Idle=00:01:00; NAME alone is as configured.", Arity = ArgumentArity.OneOrMore };
var set = new Command("set", "Change limits, timeouts and addresses, until the configuration changes or the process ends.") { settings };
set.SetAction((parsed, canceled) => RunAsync(() => Commands.DoAsync(
    TargetOf(parsed),
    new AdminRequest
    {
        Request = AdminProtocol.Set,
        Settings = parsed.GetValue(settings)!.Select(static setting => setting.Split('=', 2)).DistinctBy(static parts => parts[0], StringComparer.OrdinalIgnoreCase)
            .ToDictionary(static parts => parts[0], static parts => parts.Length > 1 ? parts[1] : null),
    },
    "It is changed.",
    canceled)));
root.Add(set);

var command = root.Parse(args);
return command.Errors.Count > 0 ? Refuse(command) : await command.InvokeAsync().ConfigureAwait(false);

Target TargetOf(ParseResult parsed) => new(parsed.GetValue(process), parsed.GetValue(admin));

static int Refuse(ParseResult command)
{
    foreach (var error in command.Errors)
    {
        Console.Error.WriteLine($"peregrine-top: {error.Message.ReplaceLineEndings(" ").Replace("\t", "", StringComparison.Ordinal)}");
    }

    Console.Error.WriteLine("peregrine-top: --help tells what it takes.");
    return ExitCodes.Usage;
}

static void CheckRange(System.CommandLine.Parsing.OptionResult result, int least, int most)
{
    if (result.GetValueOrDefault<int>() is var value && (value < least || value > most))
    {
        result.AddError($"{result.Option.Name} takes a number from {least} to {most}.");
    }
}

static async Task<int> RunAsync(Func<Task> command)
{
    try
    {
        await command().ConfigureAwait(false);
        return ExitCodes.Done;
    }
    catch (ToolException exception)
    {
        Console.Error.WriteLine($"peregrine-top: {exception.Message}");
        return exception.ExitCode;
    }
    catch (OperationCanceledException)
    {
        return ExitCodes.Failed;
    }
}
