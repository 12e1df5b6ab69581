using System.CommandLine;
using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Driving;
using Peregrine.LoadTest.Processes;
using Peregrine.LoadTest.Scenarios;

namespace Peregrine.LoadTest.Commands;

/// <summary>The two sides of a measurement, each a process of its own that this program starts.</summary>
internal static class InnerCommands
{
    public static Command CreateServe()
    {
        var contestant = new Argument<string>("contestant");
        var service = new Argument<Service>("service");
        var tls = new Option<bool>(ServerProcess.TlsOption);
        var command = new Command("serve", "Runs one contestant until its standard input ends; prints its port.") { contestant, service, tls };
        command.Hidden = true;
        command.SetAction(result =>
            ServeProcess.RunAsync(Contestant.Find(result.GetValue(contestant)!)!, result.GetValue(service), result.GetValue(tls)));
        return command;
    }

    public static Command CreateDrive()
    {
        var kind = new Argument<ScenarioKind>("kind");
        var port = new Option<int>("--port") { Required = true };
        var serverProcess = new Option<int>("--server-process") { Required = true };
        var load = new LoadArguments();
        var command = new Command("drive", "Drives one server; prints the measurement.") { kind, port, serverProcess };
        load.AddTo(command);
        command.Hidden = true;
        command.SetAction((result, cancellation) => DriveProcess.RunAsync(
            result.GetValue(kind), load.Read(result), result.GetValue(port), result.GetValue(serverProcess), cancellation));
        return command;
    }
}
