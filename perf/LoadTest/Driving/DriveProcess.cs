using System.Text.Json;
using Peregrine.LoadTest.Scenarios;

namespace Peregrine.LoadTest.Driving;

/// <summary>The client's process. It prints questions for the server, and at last the measurement as one line of JSON, or why there is none.</summary>
internal static class DriveProcess
{
    public static async Task<int> RunAsync(ScenarioKind kind, Load load, int port, int serverProcess, CancellationToken cancellationToken)
    {
        IDrive drive = kind switch
        {
            ScenarioKind.Echo => new EchoDrive(load, port, serverProcess),
            ScenarioKind.Stream => new StreamDrive(load, port, serverProcess),
            ScenarioKind.Churn => new ChurnDrive(load, port, serverProcess),
            ScenarioKind.Idle => new IdleDrive(load, port, serverProcess),
            ScenarioKind.Ends => new EndsDrive(load, port),
            _ => new AllocationDrive(load, port, serverProcess),
        };
        try
        {
            Console.WriteLine(JsonSerializer.Serialize(await drive.RunAsync(cancellationToken)));
            return 0;
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException)
        {
            Console.WriteLine(exception.Message);
            return 1;
        }
    }
}
