using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving;

/// <summary>Connections that are opened, carry one echo, and are closed: first by the client, then by the server.</summary>
internal sealed class ChurnDrive(Load load, int port, int serverProcess) : IDrive
{
    public async Task<Measurement> RunAsync(CancellationToken cancellationToken)
    {
        using var loop = new ChurnLoop(load, port);
        var window = new MeasuringWindow();
        var running = Task.Factory.StartNew(
            () => loop.Run(window), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await window.RunAsync(load, serverProcess, running, cancellationToken);
        await running;
        return Measurement.OfTransactions(loop.Latencies, window, Metric.ConnectionsPerSecond, Metric.CpuPerConnection);
    }
}
