using System.Collections.Concurrent;
using System.Diagnostics;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.EventLoops;

/// <summary>
/// Waits for the events of its descriptors and runs what they complete, on the thread that owns it. A thread that a handler holds loses it to
/// another (<see cref="TryTakeOver"/>), which goes on behind the event that is being handled.
/// </summary>
/// <remarks>
/// Who owns it, and where it is, is one number: <c>round · index · is waiting</c>. The owner moves it for each event, before it handles it; who finds that
/// it was moved by somebody else owns nothing any more. No value comes back: each round is another, and a take-over counts as a round.
/// </remarks>
internal sealed class EventLoop(LoopGroup group) : Loop(group.Table, MostEvents)
{
    private const int MostEvents = 256;

    // Of what was posted, before the descriptors are looked at again.
    private const int MostPosted = 256;

    private const long IsWaitingBit = 1;
    private const int IndexShift = 1;
    private const long OneEvent = 1 << IndexShift;
    private const int IndexMask = 0x3FF;
    private const int RoundShift = 11;
    private const long OneRound = 1 << RoundShift;

    private readonly TimeProvider _clock = TimeProvider.System;
    private readonly ConcurrentQueue<Posted> _posted = new();
    private long _position;

    // The owner's. A new owner sees what the last one wrote before its last move.
    private int _count;
    private int _owner;
    private LoopOrigin? _postedBy;
    private WaitSpin _spin;

    public long Position => Volatile.Read(ref _position);

    /// <summary>Whether a loop at that position waits for events, so that nobody holds it.</summary>
    public static bool IsWaiting(long position) => (position & IsWaitingBit) != 0;

    /// <summary>Runs work on the loop. What it throws is logged.</summary>
    public override void Post(IThreadPoolWorkItem work, LoopOrigin origin)
    {
        _posted.Enqueue(new Posted(work, origin));

        // A full barrier, between the write above and the look below; the loop does the same the other way round before it waits: one sees
        // the other.
        Interlocked.MemoryBarrier();
        if (IsWaiting(Position))
        {
            Set.Wake();
        }
    }

    /// <summary>The kernel's id of the thread that runs it; <see cref="ThreadActivity.Unknown"/> until that has begun to.</summary>
    public int Owner => Volatile.Read(ref _owner);

    /// <summary>Runs the loop from a position on, until it is taken over. The caller has moved it there.</summary>
    public void Run(long position, int thread)
    {
        // One that was taken over again before it began writes it too late, and then the next one writes its own, or the watch waits longer.
        Volatile.Write(ref _owner, thread);
        while (TryHandleEvents(ref position) && TryRunPosted(ref position) && TryMove(ref position, NextRound(position) | IsWaitingBit))
        {
            // Nobody takes over a loop that waits.
            _count = Wait();
            var moved = TryMove(ref position, position & ~IsWaitingBit);
            Debug.Assert(moved);
            group.OnLoopBusy();
        }
    }

    /// <summary>
    /// Takes the loop from the thread that owns it, if it is still where it was seen: in the middle of an event. The caller runs it from the new
    /// position on.
    /// </summary>
    public bool TryTakeOver(long seen, out long position)
    {
        position = seen + OneRound;
        if (IsWaiting(seen) || Interlocked.CompareExchange(ref _position, position, seen) != seen)
        {
            return false;
        }

        Volatile.Write(ref _owner, ThreadActivity.Unknown);
        return true;
    }

    /// <summary>For whom the loop works at a position, if it is still there.</summary>
    public LoopOrigin? OriginAt(long position)
    {
        // What is read is that position's if the loop is still there afterwards.
        var index = IndexOf(position) - 1;
        var origin = index >= Volatile.Read(ref _count) ? _postedBy : index < 0 ? null : Table.Find(Set.Get(index).Data)?.Origin;
        Interlocked.MemoryBarrier();
        return Position == position ? origin : null;
    }

    /// <summary>What is posted meanwhile is an event, too, for the loop's position says that it waits.</summary>
    private int Wait()
    {
        var isIdle = _posted.IsEmpty;
        return isIdle && !CpuQuota.IsSet && _spin.TryBegin() && TryLook(out var count) ? count : Set.Wait(block: isIdle);
    }

    private bool TryLook(out int count)
    {
        count = Set.Wait(block: false);
        if (count > 0)
        {
            return true;
        }

        var began = _clock.GetTimestamp();
        do
        {
            count = Set.Wait(block: false);
            if (count > 0)
            {
                _spin.Hit();
                return true;
            }
        }
        while (_clock.GetElapsedTime(began) < WaitSpin.Limit);
        _spin.Miss();
        return false;
    }

    private static int IndexOf(long position) => (int)(position >> IndexShift) & IndexMask;

    private static long NextRound(long position) => ((position >> RoundShift) + 1) << RoundShift;

    private bool TryHandleEvents(ref long position)
    {
        var count = _count;
        while (IndexOf(position) < count)
        {
            // Read before the move: afterwards, the loop may be another's at any time, and the events too.
            var (events, data) = Set.Get(IndexOf(position));
            if (!TryMove(ref position, position + OneEvent))
            {
                return false;
            }

            if (Table.Find(data) is { } target)
            {
                Handle(target, events);
            }
        }

        return true;
    }

    private bool TryRunPosted(ref long position)
    {
        // Behind the events in the same numbers.
        var end = _count + MostPosted;
        while (IndexOf(position) < end && !_posted.IsEmpty)
        {
            if (!TryMove(ref position, position + OneEvent))
            {
                return false;
            }

            if (_posted.TryDequeue(out var posted))
            {
                Volatile.Write(ref _postedBy, posted.Origin);
                Run(posted);
            }
        }

        return true;
    }

    /// <summary>False if the loop was taken over meanwhile.</summary>
    private bool TryMove(ref long position, long next)
    {
        // Against a take-over at the same moment: one of the two finds the position that it expects. It also publishes what the owner wrote.
        if (Interlocked.CompareExchange(ref _position, next, position) != position)
        {
            return false;
        }

        position = next;
        return true;
    }

    private static void Handle(LoopTarget target, uint events)
    {
        try
        {
            target.OnEvents(events);
        }
        catch (Exception exception)
        {
            SocketsLog.LoopWorkFailed(target.Origin.Logger, target.Origin.EndPoint, exception);
        }
    }

    private static void Run(Posted posted)
    {
        try
        {
            posted.Work.Execute();
        }
        catch (Exception exception)
        {
            SocketsLog.LoopWorkFailed(posted.Origin.Logger, posted.Origin.EndPoint, exception);
        }
    }

    private readonly record struct Posted(IThreadPoolWorkItem Work, LoopOrigin Origin);
}
