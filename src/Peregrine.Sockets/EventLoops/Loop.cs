using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.EventLoops;

/// <summary>Where descriptors are waited for: on an event loop, whose thread handles what is told (<see cref="EventLoop"/>), or for the thread pool.</summary>
internal abstract class Loop(LoopTable table, int mostEvents)
{
    private readonly TimeProvider _clock = TimeProvider.System;
    private WaitSpin _spin;

    public LoopTable Table => table;

    public EpollSet Set { get; } = new(mostEvents);

    /// <summary>Whether the thread that looks for events has something else to do.</summary>
    protected abstract bool IsWantedElsewhere { get; }

    /// <summary>Runs work where its connections go on. What it throws is logged on an event loop, and on the thread pool as fatal as anything else there.</summary>
    public abstract void Post(IThreadPoolWorkItem work, LoopOrigin origin);

    /// <summary>
    /// Looks for events for a moment, if that has paid lately (<see cref="WaitSpin"/>), and until something else is to do. By the thread that would wait for them. False if
    /// there are none.
    /// </summary>
    protected bool TryLook(out int count)
    {
        count = 0;
        if (CpuQuota.IsSet || IsWantedElsewhere || !_spin.TryBegin())
        {
            return false;
        }

        count = Set.Wait(block: false);
        if (count > 0)
        {
            return true;
        }

        var began = _clock.GetTimestamp();
        do
        {
            count = Set.Wait(block: false);
            if (count > 0 || IsWantedElsewhere)
            {
                _spin.Hit();
                return count > 0;
            }
        }
        while (_clock.GetElapsedTime(began) < WaitSpin.Limit);
        _spin.Miss();
        return false;
    }
}

/// <summary>Loops, over which connections are spread.</summary>
internal interface ILoops
{
    /// <summary>The loop of the next connection: in turns, for nothing is known of it yet.</summary>
    Loop Next();
}
