namespace Peregrine.LoadTest.Driving;

/// <summary>All connections of an echo load, shared out to one thread for each core that the client may use.</summary>
internal sealed class EchoClient : IEchoClient
{
    private readonly EchoLoop[] _loops;

    private EchoClient(int loops) => _loops = [.. Enumerable.Range(0, loops).Select(_ => new EchoLoop())];

    public long Answered => _loops.Sum(loop => loop.Answered);

    public static EchoClient Connect(Load load, Target target)
    {
        var client = new EchoClient(Math.Min(Environment.ProcessorCount, load.Connections));
        try
        {
            var sources = new SourceAddresses();
            for (var i = 0; i < load.Connections; i++)
            {
                client._loops[i % client._loops.Length].Connect(load, target, sources.Next(), i);
            }

            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    public Task RunAsync(MeasuringWindow window) => OnEachLoop(loop => loop.Run(window));

    public Task EndAsync() => OnEachLoop(loop => loop.End());

    public Latencies Latencies()
    {
        var all = new Latencies();
        Array.ForEach(_loops, loop => all.Add(loop.Latencies));
        return all;
    }

    public void Dispose() => Array.ForEach(_loops, loop => loop.Dispose());

    private Task OnEachLoop(Action<EchoLoop> run) => Task.WhenAll(
        _loops.Select(loop => Task.Factory.StartNew(() => run(loop), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
}
