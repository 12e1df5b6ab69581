using System.CommandLine;
using Peregrine.LoadTest.Commands;

var root = new RootCommand("Measures servers against each other over loopback. Each byte that comes back is checked.")
{
    CompareCommand.Create(), ReportCommand.Create(), InnerCommands.CreateServe(), InnerCommands.CreateDrive(),
};
var result = root.Parse(args);
if (result.Errors.Count == 0)
{
    return await result.InvokeAsync();
}

// One line: ours name the option and the remedy, the parser's only what it did not understand.
var error = result.Errors[0].Message;
Console.Error.WriteLine(error.StartsWith("--", StringComparison.Ordinal) ? error : $"{error} See --help.");
return 1;
