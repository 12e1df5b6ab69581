using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving;

/// <summary>Connections that are opened, with a handshake if they are encrypted, carry one echo, and are closed: first by the client, then by the server.</summary>
internal sealed class ChurnDrive(Load load, Target target) : IDrive
{
    public async Task<Measurement> RunAsync(CancellationToken cancellationToken)
    {
        using var loop = new ChurnLoop(load, target);
        var window = new MeasuringWindow();
        var running = Task.Factory.StartNew(
            () => loop.Run(window), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await window.RunAsync(load, target.Process, running, cancellationToken);
        await running;
        var measurement = Measurement.OfTransactions(loop.Latencies, window, Metric.ConnectionsPerSecond, Metric.CpuPerConnection);
        if (load.Tls)
        {
            measurement[Metric.Resumed.Key] = loop.Resumed * 100.0 / Math.Max(loop.Latencies.Count, 1);
        }

        return measurement;
    }
}
