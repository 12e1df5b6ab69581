namespace Peregrine.Sockets.EventLoops;

/// <summary>
/// Descriptors whose events the thread pool handles. It is a work item of the pool itself while there are events: it looks for some, queues what
/// they complete, one item for each socket, and itself behind them. So a handler that blocks holds its thread, and nothing else; and as long as there is
/// something to do, no thread wakes another to tell it.
/// </summary>
/// <remarks>One of three has it, and hands it on: the pool's queue, the thread that executes it, or the thread that waits (<see cref="PoolLoops"/>).</remarks>
internal sealed class PoolLoop(LoopTable table, PoolLoops loops, int index) : Loop(table, MostEvents), IThreadPoolWorkItem
{
    private const int MostEvents = 256;

    public int Index => index;

    public void Queue() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    public override void Post(IThreadPoolWorkItem work, LoopOrigin origin) => ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: false);

    public void Execute()
    {
        var count = Set.Wait(block: false);
        if (count == 0 && loops.TryWaitFor(this))
        {
            return;
        }

        LoopTarget? last = null;
        for (var i = 0; i < count; i++)
        {
            var (events, data) = Set.Get(i);
            if (Table.Find(data) is { } target && target.TryNote(events))
            {
                if (last is not null)
                {
                    // In the order of their events: a thread's own queue would hand out the last one first.
                    ThreadPool.UnsafeQueueUserWorkItem(last, preferLocal: false);
                }

                last = target;
            }
        }

        // Before the last one is run, which may block.
        Queue();
        last?.Execute();
    }
}
