using System.Net;
using Microsoft.Extensions.Logging;

namespace Peregrine.Sockets.EventLoops;

/// <summary>What an event loop tells of the events of a descriptor.</summary>
internal abstract class LoopTarget(LoopOrigin origin) : IThreadPoolWorkItem
{
    private static int s_lastGeneration;

    /// <summary>Whose it is, for the log.</summary>
    public LoopOrigin Origin => origin;

    /// <summary>Tells it from an earlier target with the same descriptor number; never zero for the four billion that follow each other.</summary>
    public uint Generation { get; } = (uint)Interlocked.Increment(ref s_lastGeneration);

    /// <summary>May run the application's code, for long. What it throws is logged, and stops nothing.</summary>
    /// <param name="events">Of <see cref="Linux.EpollSet"/>.</param>
    public abstract void OnEvents(uint events);

    /// <summary>The same in two parts. Notes what is told, and runs nothing: true if <see cref="Execute"/> is to follow, on any thread.</summary>
    public abstract bool TryNote(uint events);

    /// <summary>Runs what was noted. Throws nothing: on the thread pool, that would end the process.</summary>
    public abstract void Execute();
}

/// <summary>What the connections of one listener share on the event loops.</summary>
internal sealed record LoopOrigin(ILoops Loops, EndPoint? EndPoint, StallReport Stalls, ILogger Logger)
{
    /// <inheritdoc cref="SendAllowance.BoundOf"/>
    public int UnsentBound { get; init; }
}
