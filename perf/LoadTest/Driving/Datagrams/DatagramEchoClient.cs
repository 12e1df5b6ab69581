namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>All clients of a datagram echo load, shared out to one thread for each core that the client may use.</summary>
internal sealed class DatagramEchoClient : IEchoClient
{
    private readonly DatagramEchoLoop[] _loops;

    public DatagramEchoClient(Load load, Target target, bool inTrains)
    {
        var loops = Math.Min(Environment.ProcessorCount, load.Connections);
        _loops = [.. Enumerable.Range(0, loops).Select(i => new DatagramEchoLoop(load, target.Port, (load.Connections + i) / loops, inTrains))];
    }

    public long Answered => _loops.Sum(loop => loop.Answered);

    /// <summary>How often a datagram was sent again.</summary>
    public long Resent => _loops.Sum(loop => loop.Resent);

    /// <summary>The time in which threads had nothing to do and looked all the same, while measured.</summary>
    public TimeSpan Idle => new(_loops.Sum(loop => loop.Idle.Ticks));

    public Task RunAsync(MeasuringWindow window) => Task.WhenAll(_loops.Select(
        loop => Task.Factory.StartNew(() => loop.Run(window), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

    // A datagram has no end.
    public Task EndAsync() => Task.CompletedTask;

    public Latencies Latencies()
    {
        var all = new Latencies();
        Array.ForEach(_loops, loop => all.Add(loop.Latencies));
        return all;
    }

    public void Dispose() => Array.ForEach(_loops, loop => loop.Dispose());
}
