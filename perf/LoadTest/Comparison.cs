using System.Globalization;
using System.Text.Json;
using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Processes;
using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest;

/// <summary>All contestants under the same load, in turns.</summary>
internal sealed class Comparison(Load load, int rounds, IReadOnlyList<Contestant> contestants, bool pin)
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        if (load.IsTooMuch)
        {
            await Console.Error.WriteLineAsync(
                $"{LoadArguments.Depth} {load.Depth} × {LoadArguments.Size} {load.Size}: a connection may have at most {Load.MostInFlight} bytes in flight; choose less of either.");
            return 1;
        }

        var cores = default((string Server, string Client)?);
        if (pin && (cores = Cores.TryShare(out var problem)) is null)
        {
            await Console.Error.WriteLineAsync(problem);
            return 1;
        }

        Console.WriteLine($"{load}; rounds: {rounds}; " + (cores is { } shared ? $"server on core {shared.Server}, client on {shared.Client}" : "not pinned"));
        var servers = new List<(Contestant Contestant, SelfProcess Process, int Port)>();
        try
        {
            foreach (var contestant in contestants)
            {
                var process = SelfProcess.Start(["serve", contestant.Name], cores?.Server, contestant.InlineCompletions);
                servers.Add((contestant, process, 0));
                if (!int.TryParse(await ReadPortAsync(process, cancellationToken), NumberStyles.None, CultureInfo.InvariantCulture, out var port))
                {
                    await Console.Error.WriteLineAsync($"{contestant.Title} did not start.");
                    return 1;
                }

                servers[^1] = (contestant, process, port);
            }

            var results = contestants.ToDictionary(contestant => contestant, _ => new List<Measurement>());
            for (var round = 0; round < rounds; round++)
            {
                // Each round starts with another, so that none is always the one after the longest pause.
                for (var turn = 0; turn < servers.Count; turn++)
                {
                    var (contestant, process, port) = servers[(round + turn) % servers.Count];
                    if (await DriveAsync(process.Id, port, cores?.Client, cancellationToken) is not { } measured)
                    {
                        await Console.Error.WriteLineAsync($"{contestant.Title} failed in round {round + 1}; nothing is reported.");
                        return 1;
                    }

                    results[contestant].Add(measured);
                    Console.WriteLine(string.Create(
                        CultureInfo.InvariantCulture,
                        $"round {round + 1}, {contestant.Title}: {measured.MessagesPerSecond:N0} messages/s, {measured.ServerCpuPerMessage:0.00} µs of CPU each"));
                }
            }

            Console.WriteLine();
            ResultTable.Print([.. contestants.Select(contestant => (contestant, Measurement.Median(results[contestant])))], Console.Out);
            await Task.WhenAll(servers.Select(server => server.Process.StopAsync()));
            return 0;
        }
        finally
        {
            servers.ForEach(server => server.Process.Dispose());
        }
    }

    private static async Task<string?> ReadPortAsync(SelfProcess process, CancellationToken cancellationToken)
    {
        try
        {
            return await process.Output.ReadLineAsync(cancellationToken).AsTask().WaitAsync(StartLimit, cancellationToken);
        }
        catch (TimeoutException)
        {
            return null;
        }
    }

    private async Task<Measurement?> DriveAsync(int serverProcess, int port, string? cores, CancellationToken cancellationToken)
    {
        string[] arguments = ["drive", "--port", $"{port}", "--server-process", $"{serverProcess}", .. load.ToArguments()];
        using var driver = SelfProcess.Start(arguments, cores, inlineCompletions: true);
        var line = await driver.Output.ReadLineAsync(cancellationToken);
        return await driver.SucceedsAsync(cancellationToken) && line is not null ? JsonSerializer.Deserialize<Measurement>(line) : null;
    }
}
