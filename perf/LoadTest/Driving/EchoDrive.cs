using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving;

/// <summary>Messages, and the same messages back.</summary>
internal sealed class EchoDrive(Load load, int port, int serverProcess) : IDrive
{
    public async Task<Measurement> RunAsync(CancellationToken cancellationToken)
    {
        using var client = EchoClient.Connect(load, port);
        var window = new MeasuringWindow();
        var running = client.RunAsync(window);
        await window.RunAsync(load, serverProcess, running, cancellationToken);
        await running;
        await client.EndAsync();
        return Measurement.OfTransactions(client.Latencies(), window, Metric.MessagesPerSecond, Metric.CpuPerMessage);
    }
}
