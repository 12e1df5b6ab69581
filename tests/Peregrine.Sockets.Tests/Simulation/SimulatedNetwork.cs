using System.IO.Pipelines;

namespace Peregrine.Sockets.Tests.Simulation;

/// <summary>
/// Decides, from a seed, in which order everything that is pending happens: completions of sockets, and continuations of cancelled reads
/// and flushes. <see cref="Step"/> runs one of them.
/// </summary>
internal sealed class SimulatedNetwork(int seed) : PipeScheduler
{
    private const int MaximumSteps = 1_000_000;
    private const int MaximumDecisions = 1_000_000_000;

    private readonly Lock _lock = new();
    private readonly Random _random = new(seed);
    private readonly List<Action> _pending = [];
    private int _decisions;
    private bool _stepping;

    /// <summary>Nothing is pending, and no step is under way.</summary>
    public bool IsIdle
    {
        get
        {
            lock (_lock)
            {
                return _pending.Count == 0 && !_stepping;
            }
        }
    }

    public override void Schedule(Action<object?> action, object? state) => Post(() => action(state));

    public void Post(Action action)
    {
        lock (_lock)
        {
            _pending.Add(action);
        }
    }

    /// <summary>A number in <c>[0, exclusiveMaximum)</c>.</summary>
    public int Next(int exclusiveMaximum)
    {
        lock (_lock)
        {
            if (++_decisions > MaximumDecisions)
            {
                throw new TimeoutException($"The work is not done after {MaximumDecisions} decisions: it goes round in circles.");
            }

            return _random.Next(exclusiveMaximum);
        }
    }

    /// <summary>Runs one pending action, of any age. False if there is none.</summary>
    public bool Step()
    {
        Action action;
        lock (_lock)
        {
            if (_pending.Count == 0)
            {
                return false;
            }

            var index = _random.Next(_pending.Count);
            action = _pending[index];
            _pending.RemoveAt(index);
            _stepping = true;
        }

        action();
        lock (_lock)
        {
            _stepping = false;
        }

        return true;
    }

    /// <summary>
    /// Steps until <paramref name="work"/> is complete. What the close sequence awaits runs on the thread pool, so an empty network is
    /// given a moment before it counts as stuck.
    /// </summary>
    public void RunUntilComplete(Task work)
    {
        var idle = 0;
        var steps = 0;
        while (!work.IsCompleted)
        {
            if (Step())
            {
                idle = 0;
                if (++steps > MaximumSteps)
                {
                    throw new TimeoutException($"The work is not done after {MaximumSteps} steps: it goes round in circles.");
                }
            }
            else if (((IAsyncResult)work).AsyncWaitHandle.WaitOne(millisecondsTimeout: 1))
            {
                break;
            }
            else if (++idle > 10_000)
            {
                throw new TimeoutException("Nothing is pending, and the work is not done: a wake-up was lost.");
            }
        }

        work.GetAwaiter().GetResult();
    }

    /// <summary>Steps on a thread of its own until disposed.</summary>
    public IDisposable StepOnOwnThread()
    {
        var stop = new CancellationTokenSource();
        var thread = new Thread(() =>
        {
            var idle = new SpinWait();
            while (!stop.IsCancellationRequested)
            {
                if (Step())
                {
                    idle.Reset();
                }
                else
                {
                    idle.SpinOnce();
                }
            }
        })
        { IsBackground = true };
        thread.Start();
        return new Stepping(stop, thread);
    }

    private sealed class Stepping(CancellationTokenSource stop, Thread thread) : IDisposable
    {
        public void Dispose()
        {
            stop.Cancel();
            thread.Join(TimeSpan.FromSeconds(5));
            stop.Dispose();
        }
    }
}
