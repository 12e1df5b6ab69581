using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.EventLoops;

/// <summary>Where descriptors are waited for: on an event loop, whose thread handles what is told (<see cref="EventLoop"/>), or for the thread pool.</summary>
internal abstract class Loop(LoopTable table, int mostEvents)
{
    public LoopTable Table => table;

    public EpollSet Set { get; } = new(mostEvents);

    /// <summary>Runs work where its connections go on. What it throws is logged on an event loop, and on the thread pool as fatal as anything else there.</summary>
    public abstract void Post(IThreadPoolWorkItem work, LoopOrigin origin);
}

/// <summary>Loops, over which connections are spread.</summary>
internal interface ILoops
{
    /// <summary>The loop of the next connection: in turns, for nothing is known of it yet.</summary>
    Loop Next();
}
