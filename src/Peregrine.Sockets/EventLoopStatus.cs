using Peregrine.Sockets.EventLoops;

namespace Peregrine.Sockets;

/// <summary>The event loops of the process, to whoever watches that it is alive.</summary>
public static class EventLoopStatus
{
    /// <summary>
    /// For how long handlers have held an event loop, which serves no other connection meanwhile: that which is held longest, now. Zero where none is held
    /// (for 25 ms or so: what is shorter is not seen), and where the process has no event loops. Safe to read from any thread.
    /// </summary>
    public static TimeSpan LongestHold => LoopGroup.LongestHold;
}
