using System.Diagnostics;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Xunit.Abstractions;

namespace Peregrine.Server.Tests.Connections.Aborts;

/// <summary>
/// Connections that are aborted, by this side, the peer or both, while they read, flush, shake hands or linger, and while the server does nothing
/// else, suspends its endpoint or stops.
/// </summary>
public sealed partial class AbortTests(ITestOutputHelper output)
{
    private const int Servers = 40;
    private const int AtOnce = 100;

    /// <summary>What each server lives through, with so many connections at once.</summary>
    private static readonly AbortedDuring[] s_waves =
        [AbortedDuring.Nothing, AbortedDuring.Nothing, AbortedDuring.Nothing, AbortedDuring.Suspend, AbortedDuring.Stop];

    private readonly List<AbortRound> _rounds = [];
    private int _warnings;

    [Fact]
    public async Task Twenty_thousand_aborted_connections_end_once_each_and_leave_nothing_behind()
    {
        using var unobserved = new UnobservedExceptions();
        var started = Stopwatch.GetTimestamp();
        for (var index = 0; index < Servers; index++)
        {
            await RunServerAsync(index);
        }

        var left = unobserved.Collect();
        var phases = string.Join(", ", _rounds.CountBy(round => round.Phase).OrderBy(phase => phase.Key).Select(phase => $"{phase.Value} {phase.Key}"));
        var during = string.Join(", ", _rounds.CountBy(round => round.During).OrderBy(phase => phase.Key).Select(phase => $"{phase.Value} {phase.Key}"));
        output.WriteLine(
            $"{_rounds.Count} rounds ({phases}; during {during}) in {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s: one end each, 0 blocks rented, {left.Count} unobserved exceptions, {_warnings} warnings of deadlines");
        Assert.Empty(left);
    }

    private async Task RunServerAsync(int index)
    {
        // Every second stop lets peers close first; the time of every fourth is over at about the moment of the aborts.
        var isShort = index % 4 == 3;
        var server = await AbortServer.StartAsync(
            isShort ? TimeSpan.FromMilliseconds(5) : TestServer.Limit, index % 2 == 0 ? TimeSpan.Zero : TimeSpan.FromMilliseconds(isShort ? 1 : 10_000));
        var rounds = new List<AbortRound>();
        await using (server)
        {
            foreach (var wave in s_waves)
            {
                var during = wave == AbortedDuring.Stop && isShort ? AbortedDuring.ShortStop : wave;
                var first = (index * s_waves.Length * AtOnce) + rounds.Count;
                var next = Enumerable.Range(first, AtOnce).Select(seed => new AbortRound(seed, during)).ToList();
                rounds.AddRange(next);
                await RunWaveAsync(server, during, next);
                Assert.Equal(0, server.Endpoint.Connections);
            }

            await server.WhenAllBlocksReturnedAsync();
        }

        await Task.WhenAll(rounds.Where(round => round.WatchesClosed).Select(round => round.Closed.Task)).InTimeAsync();
        Assert.All(rounds, AbortExpectations.Check);
        CheckEnds(server, rounds);
        _rounds.AddRange(rounds);
    }

    private static async Task RunWaveAsync(AbortServer server, AbortedDuring during, IReadOnlyList<AbortRound> rounds)
    {
        var clients = rounds.Select(round => new AbortClient(round)).ToList();
        var address = server.Endpoint.Addresses[0];
        var connecting = clients.Select(client => client.ConnectAsync(address, server.Rounds));
        if (during == AbortedDuring.Nothing)
        {
            // Each on its own: some connect while others are aborted.
            await Task.WhenAll(clients.Zip(connecting, async (client, connected) =>
            {
                await connected;
                await client.AbortAsync();
            })).InTimeAsync();
            await server.Endpoint.WaitForConnectionsAsync(0).InTimeAsync();
            return;
        }

        await Task.WhenAll(connecting).InTimeAsync();
        var change = during == AbortedDuring.Suspend ? server.Endpoint.SuspendAsync() : server.StopAsync();
        await Task.WhenAll(clients.Select(client => Task.Run(client.AbortAsync)).Append(change)).InTimeAsync();
        if (during == AbortedDuring.Suspend)
        {
            await server.Endpoint.WaitForConnectionsAsync(0).InTimeAsync();
            await server.Endpoint.ResumeAsync().InTimeAsync();
        }
    }

    /// <summary>In log and metrics, by the reasons that the connections themselves tell.</summary>
    private void CheckEnds(AbortServer server, List<AbortRound> rounds)
    {
        var reasons = Counts(rounds.Select(round => AbortExpectations.ReasonOf(round).ToString()));
        var ids = rounds.Select(round => round.Started.Task.Result.ConnectionId).Order().ToList();
        Assert.Equal(ids, server.Log.WithId(9).Select(entry => StartLine().Match(entry.Message).Groups[1].Value).Order());
        var ends = server.Log.WithId(10).Select(entry => EndLine().Match(entry.Message)).ToList();
        Assert.Equal(ids, ends.Select(end => end.Groups[1].Value).Order());
        Assert.Equal(reasons, Counts(ends.Select(end => end.Groups[2].Value)));
        Assert.Equal(reasons, Counts(server.Meter.Recorded("peregrine.server.connection.duration").Select(record => (string)record.Tags["peregrine.close.reason"]!)));

        // That connections are reset at the deadline is worth a warning, and nothing else here is.
        var warnings = server.Log.Entries.Where(entry => entry.Level >= LogLevel.Warning).ToList();
        var isShort = rounds.Exists(round => round.During == AbortedDuring.ShortStop);
        Assert.DoesNotContain(warnings, entry => entry.Id.Id != 4 || !isShort);
        _warnings += warnings.Count;
    }

    /// <summary>How many of each. The metric's tags are in other letters than the log.</summary>
    private static Dictionary<string, int> Counts(IEnumerable<string> reasons) =>
        reasons.CountBy(reason => reason.Replace("_", "", StringComparison.Ordinal).ToUpperInvariant()).ToDictionary();

    [GeneratedRegex(@"connection (\S+) from \S+ started")]
    private static partial Regex StartLine();

    [GeneratedRegex(@"connection (\S+) ended \((\w+)\)")]
    private static partial Regex EndLine();
}
