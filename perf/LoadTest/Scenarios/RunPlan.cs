using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Processes;

namespace Peregrine.LoadTest.Scenarios;

/// <summary>Who takes part, how often, and where. Disposed, what was compiled for it is gone.</summary>
internal sealed class RunPlan : IDisposable
{
    private RunPlan(int rounds, IReadOnlyList<Contestant> contestants, bool areNamed, (string Server, string Client)? cores, LimitPrograms? limits)
    {
        Rounds = rounds;
        Contestants = contestants;
        AreNamed = areNamed;
        (ServerCores, ClientCores) = (cores?.Server, cores?.Client);
        Limits = limits;
    }

    public int Rounds { get; }

    public IReadOnlyList<Contestant> Contestants { get; }

    /// <summary>They were asked for one by one, and whoever did is told of one that cannot take part.</summary>
    public bool AreNamed { get; }

    /// <summary>As taskset(1) takes them; null for all.</summary>
    public string? ServerCores { get; }

    /// <summary>As taskset(1) takes them; null for all.</summary>
    public string? ClientCores { get; }

    public LimitPrograms? Limits { get; }

    /// <summary>Where server and client run, in words.</summary>
    public string Placement => ServerCores is null ? "not pinned" : $"server on core {ServerCores}, client on {ClientCores}";

    /// <summary>Null if it cannot be carried out; standard error has said why.</summary>
    /// <param name="named">Null for the usual ones.</param>
    public static RunPlan? TryCreate(int rounds, IReadOnlyList<Contestant>? named, bool pin)
    {
        if (!OperatingSystem.IsLinux())
        {
            Console.Error.WriteLine("The client stands on epoll, and the measurements on /proc: run this on Linux.");
            return null;
        }

        var cores = default((string Server, string Client)?);
        if (pin && (cores = Cores.TryShare(out var problem)) is null)
        {
            Console.Error.WriteLine(problem);
            return null;
        }

        var contestants = named ?? Contestant.Usual;
        var limits = default(LimitPrograms);
        if (contestants.Any(contestant => !contestant.IsManaged) && (limits = LimitPrograms.TryCompile(out var reason)) is null)
        {
            Console.Error.WriteLine($"The contestants in C are left out: {reason}");
            contestants = [.. contestants.Where(contestant => contestant.IsManaged)];
            if (contestants.Count == 0)
            {
                return null;
            }
        }

        return new RunPlan(rounds, contestants, named is not null, cores, limits);
    }

    public void Dispose() => Limits?.Dispose();
}
