using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>Datagrams, and the same datagrams back: each by itself, or in trains, which the kernel takes and gives in one piece.</summary>
internal sealed class DatagramEchoDrive(Load load, Target target, bool inTrains) : IDrive
{
    public async Task<Measurement> RunAsync(CancellationToken cancellationToken)
    {
        using var client = new DatagramEchoClient(load, target, inTrains);
        var window = new MeasuringWindow();
        var running = client.RunAsync(window);
        await window.RunAsync(load, target.Process, running, cancellationToken);
        await running;
        var measurement = Measurement.OfTransactions(client.Latencies(), window, Metric.DatagramsPerSecond, Metric.CpuPerDatagram);

        measurement[Metric.ClientCore.Key] = window.ClientPercentWithout(client.Idle);

        // The warm-up included: that one was lost at any time is what is of interest.
        measurement[Metric.Lost.Key] = 100.0 * client.Resent / Math.Max(client.Answered + client.Resent, 1);
        return measurement;
    }
}
