using BenchmarkDotNet.Configs;
using BenchmarkDotNet.ConsoleArguments;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using Peregrine.Benchmarks.Allocations;

var assembly = typeof(Program).Assembly;
if (args.FirstOrDefault() is "--check-allocations" or "--update-allocations")
{
    return args.Length > 1 ? Refuse($"{args[0]} takes no arguments.") : await AllocationGate.RunAsync(assembly, update: args[0] == "--update-allocations");
}

// BenchmarkDotNet answers a mistyped argument with pages of help, and with success.
var parsing = new AccumulationLogger();
if (!ConfigParser.Parse(args, parsing, DefaultConfig.Instance).isSuccess
    && parsing.GetLog().Split("ERROR(S):") is [_, var errors])
{
    return Refuse($"{errors.Trim().Split('\n')[0].Trim()} See --help; ours are --check-allocations and --update-allocations.");
}

var summaries = BenchmarkSwitcher.FromAssembly(assembly).Run(args);
return summaries.Any(summary => summary.HasCriticalValidationErrors || summary.Reports.Any(report => !report.Success)) ? 1 : 0;

static int Refuse(string message)
{
    Console.Error.WriteLine(message);
    return 1;
}
