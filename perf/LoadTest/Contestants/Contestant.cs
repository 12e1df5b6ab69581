namespace Peregrine.LoadTest.Contestants;

/// <summary>A server that can be measured.</summary>
/// <param name="Name">Its name on the command line.</param>
/// <param name="Title">Its name in the table.</param>
/// <param name="StartAsync">Starts an echo server on a free port of 127.0.0.1, and returns the port and what stops it.</param>
/// <param name="InlineCompletions">Whether its process is started with the runtime's inline completions set in the environment.</param>
internal sealed record Contestant(
    string Name, string Title, Func<Task<(int Port, Func<Task> StopAsync)>> StartAsync, bool InlineCompletions = false)
{
    /// <summary>What the others are compared with.</summary>
    public const string Reference = "kestrel";

    public static readonly IReadOnlyList<Contestant> All =
    [
        new("peregrine", "Peregrine, ThreadPool", () => PeregrineContestant.StartAsync(ConnectionScheduling.ThreadPool)),
        new("peregrine-inline", "Peregrine, Inline", () => PeregrineContestant.StartAsync(ConnectionScheduling.Inline)),
        new(Reference, "Kestrel", () => KestrelContestant.StartAsync(inline: false)),
        new("kestrel-inline", "Kestrel, inline", () => KestrelContestant.StartAsync(inline: true), InlineCompletions: true),
    ];

    public static Contestant? Find(string name) => All.FirstOrDefault(contestant => contestant.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Serves until standard input ends, so that it does not outlive the process that started it.</summary>
    public async Task<int> ServeAsync()
    {
        var (port, stopAsync) = await StartAsync();
        Console.WriteLine(port);
        await Console.In.ReadToEndAsync();
        await stopAsync();
        return 0;
    }
}
