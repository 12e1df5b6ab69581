using System.Text.Json;
using Peregrine.LoadTest.Commands;
using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Driving;
using Peregrine.LoadTest.Processes;
using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Scenarios;

/// <summary>Our side of the client's process.</summary>
internal static class Driver
{
    /// <exception cref="InvalidDataException">The client measured nothing, and says why.</exception>
    public static async Task<Measurement> RunAsync(Scenario scenario, ServerProcess server, string? cores, CancellationToken cancellationToken)
    {
        string[] arguments = ["drive", $"{scenario.Kind}", "--port", $"{server.Port}", "--server-process", $"{server.Id}", .. LoadArguments.Of(scenario.Load)];
        using var client = ChildProcess.Start(ChildProcess.Self(arguments), cores);
        var negotiated = default(string);
        while (await client.Output.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line is ServerQuestion.Allocated or ServerQuestion.Received)
            {
                await client.Input.WriteLineAsync(await server.AskAsync(line, cancellationToken));
                await client.Input.FlushAsync(cancellationToken);
                continue;
            }

            if (line.StartsWith(DriveProcess.NegotiatedPrefix, StringComparison.Ordinal))
            {
                negotiated = line[DriveProcess.NegotiatedPrefix.Length..];
                continue;
            }

            var measurement = line.StartsWith('{') ? JsonSerializer.Deserialize<Measurement>(line)! : throw new InvalidDataException(line);
            measurement.Negotiated = negotiated;
            return measurement;
        }

        throw new InvalidDataException("the client ended without a word.");
    }
}
