using System.Net.Sockets;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.EventLoops;

/// <summary>
/// Loops whose events the thread pool handles, for the whole process. While there are events, the pool's own threads look for the next ones
/// (<see cref="PoolLoop"/>), without a thread in between; one thread more waits for all loops that have run out of them. They live as long as the process.
/// </summary>
/// <remarks>
/// A set that is itself in a set makes the kernel look for cycles, under one lock, at each descriptor that is added (fs/eventpoll.c): once for each connection.
/// </remarks>
internal sealed class PoolLoops : ILoops
{
    private static readonly Lock s_lock = new();
    private static PoolLoops? s_shared;

    private readonly PoolLoop[] _loops;
    private readonly EpollSet _idle;
    private uint _next;

    /// <param name="loops">How many.</param>
    /// <exception cref="SocketException">Descriptors are short.</exception>
    /// <exception cref="InvalidOperationException">A thread cannot be started.</exception>
    public PoolLoops(int loops)
    {
        _loops = new PoolLoop[loops];
        _idle = new EpollSet(loops);
        try
        {
            var table = new LoopTable();
            for (var i = 0; i < loops; i++)
            {
                _loops[i] = new PoolLoop(table, this, i);
                var error = _idle.AddSet(_loops[i].Set, DataOf(_loops[i]));
                if (error != SocketError.Success)
                {
                    throw new SocketException((int)error);
                }
            }

            new Thread(Wait) { IsBackground = true, Name = "Peregrine poll" }.UnsafeStart();
        }
        catch (Exception exception)
        {
            // A shortage of descriptors must not be made worse by each attempt.
            Array.ForEach(_loops, loop => loop?.Set.Release());
            _idle.Release();
            if (exception is OutOfMemoryException or ThreadStartException)
            {
                throw new InvalidOperationException("The thread that polls cannot be started: the process has too many, or memory is short.", exception);
            }

            throw;
        }
    }

    /// <summary>The process's, made when it is first asked for. A failure is not kept: descriptors may be there at the next attempt.</summary>
    /// <inheritdoc cref="PoolLoops(int)"/>
    public static PoolLoops Shared
    {
        get
        {
            lock (s_lock)
            {
                return s_shared ??= new PoolLoops(Environment.ProcessorCount);
            }
        }
    }

    public Loop Next() => _loops[Interlocked.Increment(ref _next) % (uint)_loops.Length];

    /// <summary>Lets the thread wait for the next events of a loop, which are told at once if they are there already. False if the kernel refuses.</summary>
    public bool TryWaitFor(PoolLoop loop) => _idle.ModifySet(loop.Set, DataOf(loop)) == SocketError.Success;

    // Not zero, which is a wake-up.
    private static long DataOf(PoolLoop loop) => loop.Index + 1;

    private void Wait()
    {
        while (true)
        {
            var count = _idle.Wait(block: true);
            for (var i = 0; i < count; i++)
            {
                _loops[_idle.Get(i).Data - 1].Queue();
            }
        }
    }
}
