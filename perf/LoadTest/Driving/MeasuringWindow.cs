using System.Diagnostics;
using Peregrine.LoadTest.Processes;

namespace Peregrine.LoadTest.Driving;

/// <summary>When to measure and when to end, told to the threads that drive; and the CPU time that server and client took meanwhile.</summary>
internal sealed class MeasuringWindow
{
    private volatile bool _isOpen;
    private volatile bool _enough;

    public bool IsOpen => _isOpen;

    /// <summary>Nothing more is to be sent.</summary>
    public bool Enough => _enough;

    public TimeSpan Elapsed { get; private set; }

    public TimeSpan ServerCpu { get; private set; }

    public TimeSpan ClientCpu { get; private set; }

    /// <summary>Of one core, in percent.</summary>
    public double ServerPercent => 100 * (ServerCpu / Elapsed);

    /// <summary>Of one core, in percent.</summary>
    public double ClientPercent => 100 * (ClientCpu / Elapsed);

    /// <summary>Of one core, in percent, without the time of threads that had nothing to do and looked all the same.</summary>
    public double ClientPercentWithout(TimeSpan idle) => Math.Max(0, 100 * ((ClientCpu - idle) / Elapsed));

    /// <summary>Warms up, measures, ends. Earlier, if what is measured ends by itself: then it has failed.</summary>
    public async Task RunAsync(Load load, int serverProcess, Task driving, CancellationToken cancellationToken)
    {
        var (server, client) = (new ProcessClock(serverProcess), new ProcessClock(Environment.ProcessId));
        await Task.WhenAny(driving, Task.Delay(TimeSpan.FromSeconds(load.WarmUp), TimeProvider.System, cancellationToken));
        var (serverBefore, clientBefore, started) = (server.Read(), client.Read(), Stopwatch.GetTimestamp());
        _isOpen = true;
        await Task.WhenAny(driving, Task.Delay(TimeSpan.FromSeconds(load.Seconds), TimeProvider.System, cancellationToken));
        _isOpen = false;
        Elapsed = Stopwatch.GetElapsedTime(started);
        (ServerCpu, ClientCpu) = (server.Read() - serverBefore, client.Read() - clientBefore);
        _enough = true;
    }
}
