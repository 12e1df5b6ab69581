namespace Peregrine.LoadTest.Contestants;

/// <summary>A server that can be measured.</summary>
/// <param name="Name">Its name on the command line.</param>
/// <param name="Title">Its name in the tables.</param>
/// <param name="StartAsync">Starts it on a free port of 127.0.0.1; null for the one that is a program of its own, in C.</param>
/// <param name="InlineCompletions">Whether its process is started with the runtime's inline completions set in the environment.</param>
/// <param name="TakesHandlers">Whether its services are <c>ConnectionHandler</c>s, so that it serves every one.</param>
internal sealed record Contestant(string Name, string Title, Func<Service, Task<RunningServer>>? StartAsync, bool InlineCompletions = false,
    bool TakesHandlers = false)
{
    /// <summary>What the others are compared with.</summary>
    public const string Reference = "kestrel";

    /// <summary>What none can beat by much.</summary>
    public const string Limit = "c-epoll";

    public static readonly IReadOnlyList<Contestant> All =
    [
        new("peregrine", "Peregrine, ThreadPool", service => PeregrineContestant.StartAsync(service, ConnectionScheduling.ThreadPool), TakesHandlers: true),
        new("peregrine-inline", "Peregrine, Inline", service => PeregrineContestant.StartAsync(service, ConnectionScheduling.Inline), TakesHandlers: true),
        new("peregrine-eventloop", "Peregrine, EventLoop", service => PeregrineContestant.StartAsync(service, ConnectionScheduling.EventLoop), TakesHandlers: true),
        new(Reference, "Kestrel", service => KestrelContestant.StartAsync(service, inline: false), TakesHandlers: true),
        new("kestrel-inline", "Kestrel, inline", service => KestrelContestant.StartAsync(service, inline: true), InlineCompletions: true, TakesHandlers: true),
        new("dotnetty", "DotNetty 0.7.6", DotNettyContestant.StartAsync),
        new("raw-saea", "Raw SAEA loop, inline", RawSaeaContestant.StartAsync, InlineCompletions: true),
        new(Limit, "C, epoll: the limit", null),
    ];

    public bool IsManaged => StartAsync is not null;

    public static string Names => string.Join(", ", All.Select(contestant => contestant.Name));

    public static Contestant? Find(string name) => All.FirstOrDefault(contestant => contestant.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
}
