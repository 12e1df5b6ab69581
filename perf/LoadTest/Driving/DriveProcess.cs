using System.Text.Json;
using Peregrine.LoadTest.Driving.Datagrams;
using Peregrine.LoadTest.Driving.Linux;
using Peregrine.LoadTest.Scenarios;

namespace Peregrine.LoadTest.Driving;

/// <summary>The client's process. It prints questions for the server, and at last the measurement as one line of JSON, or why there is none.</summary>
internal static class DriveProcess
{
    /// <summary>Before what both sides of TLS agreed on, in a line before the measurement.</summary>
    public const string NegotiatedPrefix = "negotiated: ";

    public static async Task<int> RunAsync(ScenarioKind kind, Load load, int port, int serverProcess, CancellationToken cancellationToken)
    {
        try
        {
            using var tls = load.Tls ? new TlsClient(resume: kind == ScenarioKind.Resumption) : null;
            var measurement = await CreateDrive(kind, load, new Target(port, serverProcess, tls)).RunAsync(cancellationToken);
            if (tls is not null)
            {
                Console.WriteLine(NegotiatedPrefix + tls.Negotiated);
            }

            Console.WriteLine(JsonSerializer.Serialize(measurement));
            return 0;
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException)
        {
            Console.WriteLine(exception.Message);
            return 1;
        }
    }

    private static IDrive CreateDrive(ScenarioKind kind, Load load, Target target) => kind switch
    {
        ScenarioKind.Echo => new EchoDrive(load, target),
        ScenarioKind.Stream => new StreamDrive(load, target),
        ScenarioKind.Churn or ScenarioKind.Resumption => new ChurnDrive(load, target),
        ScenarioKind.Idle => new IdleDrive(load, target),
        ScenarioKind.Ends => new EndsDrive(load, target),
        ScenarioKind.Broadcast => new BroadcastDrive(load, target),
        ScenarioKind.DatagramEcho => new DatagramEchoDrive(load, target, inTrains: false),
        ScenarioKind.DatagramTrains => new DatagramEchoDrive(load, target, inTrains: true),
        ScenarioKind.DatagramSink => new DatagramSinkDrive(load, target),
        ScenarioKind.DatagramStream => new DatagramStreamDrive(load, target),
        ScenarioKind.DatagramAllocations => new AllocationDrive(load, target, () => new DatagramEchoClient(load, target, inTrains: false)),
        _ => new AllocationDrive(load, target, () => EchoClient.Connect(load, target)),
    };
}
