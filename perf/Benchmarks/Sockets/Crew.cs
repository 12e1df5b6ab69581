namespace Peregrine.Benchmarks.Sockets;

/// <summary>Threads that do the same at once, the caller among them. They are started once, because a start allocates.</summary>
internal sealed class Crew : IDisposable
{
    private readonly Action _work;
    private readonly Barrier _barrier;
    private readonly List<Thread> _threads = [];
    private bool _over;

    public Crew(int threads, Action work)
    {
        _work = work;
        _barrier = new Barrier(threads);
        for (var i = 1; i < threads; i++)
        {
            var thread = new Thread(Follow) { IsBackground = true };
            thread.Start();
            _threads.Add(thread);
        }
    }

    /// <summary>Returns when all have done it.</summary>
    public void Run()
    {
        _barrier.SignalAndWait();
        _work();
        _barrier.SignalAndWait();
    }

    public void Dispose()
    {
        _over = true;
        _barrier.SignalAndWait();
        _threads.ForEach(thread => thread.Join());
        _barrier.Dispose();
    }

    private void Follow()
    {
        while (true)
        {
            _barrier.SignalAndWait();
            if (_over)
            {
                return;
            }

            _work();
            _barrier.SignalAndWait();
        }
    }
}
