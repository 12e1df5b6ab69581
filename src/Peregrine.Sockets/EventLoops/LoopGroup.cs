namespace Peregrine.Sockets.EventLoops;

/// <summary>The event loops of the process, one for each core, which all endpoints of a scheduling share. They live as long as the process.</summary>
internal sealed class LoopGroup : ILoops
{
    /// <summary>
    /// How many threads handlers can hold at once before loops stand still. Far more than a server needs whose handlers block now and then; each
    /// is a thread that was started.
    /// </summary>
    private const int MostHeld = 64;

    private static readonly TimeSpan SpareLimit = TimeSpan.FromSeconds(30);
    private static readonly Lock s_lock = new();
    private static LoopGroup? s_shared;
    private static LoopGroup? s_inline;

    private readonly EventLoop[] _loops;
    private readonly LoopStallWatch _watch;
    private uint _next;

    /// <param name="loops">How many.</param>
    /// <param name="mostHeld">How many threads handlers can hold before loops stand still. With none, a loop stays on its thread.</param>
    /// <exception cref="System.Net.Sockets.SocketException">Descriptors are short.</exception>
    /// <exception cref="InvalidOperationException">Threads cannot be started.</exception>
    public LoopGroup(int loops, int mostHeld = MostHeld)
    {
        _loops = new EventLoop[loops];
        MostThreads = loops + mostHeld;
        Threads = new LoopThreads(MostThreads, SpareLimit);
        try
        {
            for (var i = 0; i < loops; i++)
            {
                _loops[i] = new EventLoop(this);
            }

            // All of them before any runs: what is reserved and not given is spare, and ends by itself.
            for (var i = 0; i < loops; i++)
            {
                if (!Threads.TryReserve())
                {
                    Enumerable.Range(0, i).ToList().ForEach(_ => Threads.GiveBack());
                    throw new InvalidOperationException("The threads of the event loops cannot be started: the process has too many, or memory is short.");
                }
            }
        }
        catch
        {
            // A shortage of descriptors must not be made worse by each attempt.
            Array.ForEach(_loops, loop => loop?.Set.Release());
            throw;
        }

        foreach (var loop in _loops)
        {
            Threads.Give(loop, loop.Position);
        }

        Threads.Prepare();
        _watch = new LoopStallWatch(_loops, Threads, isInline: mostHeld == 0);
    }

    /// <summary>The process's, made when it is first asked for. A failure is not kept: descriptors may be there at the next attempt.</summary>
    /// <exception cref="System.Net.Sockets.SocketException">Descriptors are short.</exception>
    public static LoopGroup Shared
    {
        get
        {
            lock (s_lock)
            {
                return s_shared ??= new LoopGroup(Environment.ProcessorCount);
            }
        }
    }

    /// <summary>Those of the scheduling <see cref="ConnectionScheduling.Inline"/>: a handler that holds one holds it.</summary>
    /// <inheritdoc cref="Shared" path="/exception"/>
    public static LoopGroup Inline
    {
        get
        {
            lock (s_lock)
            {
                return s_inline ??= new LoopGroup(Environment.ProcessorCount, mostHeld: 0);
            }
        }
    }

    /// <summary>For how long a loop of the process is held by now: the one that is held longest.</summary>
    public static TimeSpan LongestHold
    {
        get
        {
            lock (s_lock)
            {
                var (shared, inline) = (s_shared?._watch.LongestHold ?? TimeSpan.Zero, s_inline?._watch.LongestHold ?? TimeSpan.Zero);
                return shared > inline ? shared : inline;
            }
        }
    }

    public LoopTable Table { get; } = new();

    public LoopThreads Threads { get; }

    public int MostThreads { get; }

    /// <summary>The loop of the next connection: in turns, for nothing is known of it yet.</summary>
    public Loop Next() => _loops[Interlocked.Increment(ref _next) % (uint)_loops.Length];

    /// <summary>A loop has events to handle.</summary>
    public void OnLoopBusy() => _watch.OnLoopBusy();
}
