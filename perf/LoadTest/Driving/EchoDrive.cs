using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving;

/// <summary>Messages, and the same messages back.</summary>
internal sealed class EchoDrive(Load load, Target target) : IDrive
{
    public async Task<Measurement> RunAsync(CancellationToken cancellationToken)
    {
        using var client = EchoClient.Connect(load, target);
        var window = new MeasuringWindow();
        var running = client.RunAsync(window);
        await window.RunAsync(load, target.Process, running, cancellationToken);
        await running;
        await client.EndAsync();
        return Measurement.OfTransactions(client.Latencies(), window, Metric.MessagesPerSecond, Metric.CpuPerMessage);
    }
}
