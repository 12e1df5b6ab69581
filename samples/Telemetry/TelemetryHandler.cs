using Peregrine;

namespace Telemetry;

/// <summary>Takes datagrams, and answers none: who forges a sender's address gets nobody anything sent.</summary>
internal sealed class TelemetryHandler(Metrics metrics) : DatagramHandler
{
    public override ValueTask OnDatagramsAsync(DatagramBatch batch, DatagramSender sender)
    {
        foreach (var datagram in batch)
        {
            metrics.Add(datagram.Payload.Span);
        }

        return ValueTask.CompletedTask;
    }
}
