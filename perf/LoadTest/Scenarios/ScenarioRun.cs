using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Processes;
using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Scenarios;

/// <summary>
/// One scenario: each contestant as a process of its own, driven in turns. One that fails is named and left out of the rounds that follow; it does
/// not cost the others their results.
/// </summary>
internal sealed class ScenarioRun(Scenario scenario, RunPlan plan) : IDisposable
{
    private readonly Dictionary<ContestantResult, ServerProcess> _servers = [];

    public async Task<ScenarioResult> RunAsync(CancellationToken cancellationToken)
    {
        var results = TakingPart();
        if (!scenario.NeedsFreshServer)
        {
            // All before the first round: a turn differs from the others in nothing but who serves.
            foreach (var result in results)
            {
                await TryAsync(result, "at its start", () => StartAsync(result, cancellationToken));
            }
        }

        // Round 0 is not counted. Saturated, the runtime takes ten seconds and more to compile what is hot for good, and runs code with counters
        // in it until then: with a few seconds of warm-up, the first round measured that.
        for (var round = scenario.NeedsFreshServer ? 1 : 0; round <= plan.Rounds; round++)
        {
            // Each round starts with another, so that none is always the one after the longest pause.
            for (var turn = 0; turn < results.Length; turn++)
            {
                var result = results[(round + turn) % results.Length];
                if (result.Failure is null)
                {
                    await TryAsync(result, $"in round {round}", () => RoundAsync(result, round, cancellationToken));
                }
            }
        }

        await Task.WhenAll(_servers.Values.Select(server => server.StopAsync()));
        return new ScenarioResult(scenario, results);
    }

    public void Dispose()
    {
        foreach (var server in _servers.Values)
        {
            server.Dispose();
        }
    }

    private ContestantResult[] TakingPart()
    {
        var results = new List<ContestantResult>();
        foreach (var contestant in plan.Contestants)
        {
            if (scenario.ReasonToLeaveOut(contestant) is not { } reason)
            {
                results.Add(new ContestantResult(contestant));
            }
            else if (plan.AreNamed)
            {
                Console.Error.WriteLine($"{contestant.Title} is left out of {scenario.Name}: {reason}.");
            }
        }

        return [.. results];
    }

    private async Task TryAsync(ContestantResult result, string when, Func<Task> run)
    {
        try
        {
            await run();
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException)
        {
            result.Failure = $"{result.Contestant.Title} failed {when} of {scenario.Name}: {exception.Message}";
            await Console.Error.WriteLineAsync(result.Failure);
        }
    }

    private async Task StartAsync(ContestantResult result, CancellationToken cancellationToken) => _servers[result] =
        await ServerProcess.StartAsync(result.Contestant, scenario.Service, scenario.Load.Tls, plan.Limits, plan.ServerCores, cancellationToken);

    private async Task RoundAsync(ContestantResult result, int round, CancellationToken cancellationToken)
    {
        if (scenario.NeedsFreshServer)
        {
            await StartAsync(result, cancellationToken);
        }

        try
        {
            var measured = await Driver.RunAsync(scenario, _servers[result], plan.ClientCores, cancellationToken);
            if (round == 0)
            {
                return;
            }

            result.Rounds.Add(measured);
            var numbers = scenario.Metrics.Where(metric => metric.IsCompared || metric == scenario.Metrics[0])
                .Select(metric => $"{metric.Show(measured.Get(metric))} {metric.Title}");
            Console.WriteLine($"{scenario.Name}, round {round}, {result.Contestant.Title}: {string.Join(", ", numbers)}");
        }
        finally
        {
            if (scenario.NeedsFreshServer && _servers.Remove(result, out var server))
            {
                await server.StopAsync();
                server.Dispose();
            }
        }
    }
}
