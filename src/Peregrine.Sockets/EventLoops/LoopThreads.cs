using System.Diagnostics.CodeAnalysis;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.EventLoops;

/// <summary>
/// The threads that run event loops: one for each loop, and spare ones, which take over the loops of threads that handlers hold. A thread that loses
/// its loop is a spare one when the handler has given it back.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "A SemaphoreSlim whose wait handle nobody takes holds nothing to dispose.")]
internal sealed class LoopThreads(int most, TimeSpan idleLimit)
{
    // A spare thread that is there already costs no descriptors to start when they are short.
    private const int LeastSpare = 1;

    private readonly Lock _lock = new();
    private readonly Queue<(EventLoop Loop, long Position)> _given = [];
    private readonly SemaphoreSlim _isGiven = new(0);

    // Under the lock. A spare thread that is reserved is not counted as spare.
    private int _total;
    private int _spare;

    public int Total
    {
        get
        {
            lock (_lock)
            {
                return _total;
            }
        }
    }

    /// <summary>Reserves a thread, for <see cref="Give"/> or <see cref="GiveBack"/>. False if there are too many, or one cannot be started.</summary>
    public bool TryReserve()
    {
        lock (_lock)
        {
            if (_spare == 0 && !TryStartLocked())
            {
                return false;
            }

            _spare--;
            return true;
        }
    }

    public void GiveBack()
    {
        lock (_lock)
        {
            _spare++;
        }
    }

    /// <summary>Lets a reserved thread run a loop.</summary>
    public void Give(EventLoop loop, long position)
    {
        lock (_lock)
        {
            _given.Enqueue((loop, position));
        }

        _isGiven.Release();
    }

    /// <summary>Starts spare threads ahead of their need, as far as that is possible.</summary>
    public void Prepare()
    {
        lock (_lock)
        {
            while (_spare < LeastSpare && TryStartLocked())
            {
            }
        }
    }

    private bool TryStartLocked()
    {
        if (_total >= most)
        {
            return false;
        }

        try
        {
            new Thread(Run) { IsBackground = true, Name = "Peregrine event loop" }.UnsafeStart();
        }
        catch (Exception exception) when (exception is OutOfMemoryException or ThreadStartException)
        {
            return false; // Descriptors, memory or the process's threads are short.
        }

        _total++;
        _spare++;
        return true;
    }

    private void Run()
    {
        var id = ThreadActivity.CurrentId();
        while (TryTake(out var loop, out var position))
        {
            loop.Run(position, id);
            GiveBack();
        }
    }

    /// <summary>Waits for a loop. False if the thread is not needed any more.</summary>
    private bool TryTake(out EventLoop loop, out long position)
    {
        while (true)
        {
            var isGiven = _isGiven.Wait(idleLimit);
            lock (_lock)
            {
                if (isGiven)
                {
                    (loop, position) = _given.Dequeue();
                    return true;
                }

                if (_spare > LeastSpare)
                {
                    // Those that are reserved are not counted, so one that waits is left for each of them.
                    _spare--;
                    _total--;
                    (loop, position) = (null!, 0);
                    return false;
                }
            }
        }
    }
}
