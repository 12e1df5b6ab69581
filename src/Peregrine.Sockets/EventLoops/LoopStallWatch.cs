using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.EventLoops;

/// <summary>
/// Notices loops that handlers hold, and gives them to other threads, or reports them where there are none by intention (<see cref="LoopGroup.Inline"/>). It looks every 5 ms
/// while there is something to do, every millisecond while handlers keep holding loops, and not at all while every loop waits.
/// </summary>
internal sealed class LoopStallWatch
{
    // Three looks in a row find a loop in the same place: it is held for 10 ms at least, 15 ms at most. A hand-over costs the wake-up of another
    // thread, and a look one of its own.
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(5);
    private const int TicksToTakeOver = 2;

    // Where one handler has blocked others will, and each costs its loop the time until it is noticed: with one message of 500 that blocks for 20 ms,
    // at 10 ms each that is most of the time.
    private static readonly TimeSpan AlertTick = TimeSpan.FromMilliseconds(1);
    private const int AlertTicks = 1000;

    // A thread that waits for a core for longer than that may as well be helped by another.
    private static readonly TimeSpan StarvedLimit = TimeSpan.FromMilliseconds(100);

    // Longer than it takes a server with little to do until its next message: going to sleep and waking up costs more than to look.
    private const int TicksToSleep = 40;

    // Where a loop is only reported, there is no haste.
    private static readonly TimeSpan InlineTick = TimeSpan.FromMilliseconds(25);

    private readonly TimeProvider _clock = TimeProvider.System;
    private readonly EventLoop[] _loops;
    private readonly LoopThreads _threads;
    private readonly Seen[] _seen;

    // Since when each loop is held, or 0; for others than the watch's thread.
    private readonly long[] _heldSince;
    private readonly bool _isInline;

    // A monitor, because it waits at once: what spins first would take the time of a loop, on a core that both share.
    private readonly object _gate = new();
    private int _isAsleep;
    private int _alert;

    /// <param name="loops">The loops.</param>
    /// <param name="threads">The threads that run them.</param>
    /// <param name="isInline">No thread takes over.</param>
    public LoopStallWatch(EventLoop[] loops, LoopThreads threads, bool isInline)
    {
        _isInline = isInline;
        _loops = loops;
        _threads = threads;
        _seen = new Seen[loops.Length];
        _heldSince = new long[loops.Length];
        new Thread(Run) { IsBackground = true, Name = "Peregrine event loop watch" }.UnsafeStart();
    }

    /// <summary>For how long the loop is held that is held longest.</summary>
    public TimeSpan LongestHold
    {
        get
        {
            var longest = TimeSpan.Zero;
            foreach (ref var since in _heldSince.AsSpan())
            {
                if (Volatile.Read(ref since) is not 0 and var then && _clock.GetElapsedTime(then) is var held && held > longest)
                {
                    longest = held;
                }
            }

            return longest;
        }
    }

    /// <summary>After a loop has left its wait, with a full barrier.</summary>
    public void OnLoopBusy()
    {
        // Either the watch, which looks at the loops after it has said that it sleeps, sees the loop at work, or this sees that it sleeps.
        if (Volatile.Read(ref _isAsleep) != 0 && Interlocked.Exchange(ref _isAsleep, 0) != 0)
        {
            lock (_gate)
            {
                Monitor.Pulse(_gate);
            }
        }
    }

    private void Run()
    {
        while (true)
        {
            for (var quiet = 0; quiet < TicksToSleep; quiet++)
            {
                var tick = _alert > 0 ? AlertTick : _isInline ? InlineTick : Tick;
                _alert = Math.Max(0, _alert - 1);
                var before = _clock.GetTimestamp();
                lock (_gate)
                {
                    Monitor.Wait(_gate, tick);
                }

                // A thread that was not run itself, because the machine is busy or the process was paused, has seen nothing of the others.
                if (Look(tick, isLate: _clock.GetElapsedTime(before) > 2 * tick))
                {
                    quiet = -1;
                }
            }

            Sleep();
        }
    }

    /// <summary>Until a loop has something to do.</summary>
    private void Sleep()
    {
        Interlocked.Exchange(ref _isAsleep, 1);
        if (!Array.TrueForAll(_loops, loop => EventLoop.IsWaiting(loop.Position)))
        {
            Volatile.Write(ref _isAsleep, 0); // Whoever has seen it meanwhile wakes nobody.
            return;
        }

        lock (_gate)
        {
            // Cleared before the pulse, which takes the lock: it is seen here, or pulses after the wait has begun.
            while (Volatile.Read(ref _isAsleep) != 0)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>True if a loop has done something since the last look.</summary>
    private bool Look(TimeSpan tick, bool isLate)
    {
        var isActive = false;
        for (var i = 0; i < _loops.Length; i++)
        {
            var position = _loops[i].Position;
            ref var seen = ref _seen[i];
            if (position != seen.Position)
            {
                seen = new Seen(position, 0, _clock.GetTimestamp(), default, IsReported: false);
                Volatile.Write(ref _heldSince[i], 0);
                isActive = true;
            }
            else if (!EventLoop.IsWaiting(position))
            {
                isActive = true;
                Volatile.Write(ref _heldSince[i], seen.Since);
                seen.Ticks += isLate ? 0 : 1;
                if (seen.Ticks == 1)
                {
                    seen.CpuTime = ThreadActivity.CpuTime(_loops[i].Owner);
                }
                else if (seen.Ticks >= TicksToTakeOver && IsHeld(_loops[i], seen, tick))
                {
                    TakeOver(_loops[i], ref seen);
                }
            }
        }

        return isActive;
    }

    /// <summary>
    /// Whether a handler holds the loop, and not the machine, on which its thread waits for a core: another would wait there, too, and this one gives its
    /// time away when it gets it, because it has no loop any more.
    /// </summary>
    private bool IsHeld(EventLoop loop, in Seen seen, TimeSpan tick)
    {
        var owner = loop.Owner;
        return _clock.GetElapsedTime(seen.Since) >= StarvedLimit
            || (owner != ThreadActivity.Unknown && (!ThreadActivity.IsRunnable(owner) || ThreadActivity.CpuTime(owner) - seen.CpuTime >= tick / 2));
    }

    private void TakeOver(EventLoop loop, ref Seen seen)
    {
        if (_threads.TryReserve())
        {
            if (loop.TryTakeOver(seen.Position, out var position))
            {
                _alert = AlertTicks;
                _threads.Give(loop, position);
                _threads.Prepare();
            }
            else
            {
                _threads.GiveBack(); // The handler has just given it back.
            }

            return;
        }

        var held = _clock.GetElapsedTime(seen.Since);
        if (held >= StallReport.Limit && !seen.IsReported && loop.OriginAt(seen.Position) is { } origin)
        {
            seen.IsReported = true;
            origin.Stalls.Report(origin.EndPoint, held, _threads.Total, _isInline);
        }
    }

    private record struct Seen(long Position, int Ticks, long Since, TimeSpan CpuTime, bool IsReported);
}
