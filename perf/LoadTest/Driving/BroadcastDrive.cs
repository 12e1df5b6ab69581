using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving;

/// <summary>Messages of one connection, which the server sends to all others.</summary>
internal sealed class BroadcastDrive(Load load, Target target) : IDrive
{
    public async Task<Measurement> RunAsync(CancellationToken cancellationToken)
    {
        using var loop = new BroadcastLoop(load, target);
        var window = new MeasuringWindow();
        var running = Task.Factory.StartNew(
            () => loop.Run(window), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await window.RunAsync(load, target.Process, running, cancellationToken);
        await running;
        var measurement = Measurement.OfTransactions(loop.Latencies, window, Metric.DeliveriesPerSecond, Metric.CpuPerDelivery);
        measurement[Metric.ClientCore.Key] = window.ClientPercentWithout(loop.Idle);
        return measurement;
    }
}
