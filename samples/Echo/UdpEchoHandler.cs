using Peregrine;

namespace Echo;

/// <summary>Sends every datagram back to its sender. One that the network does not take is dropped, and counted.</summary>
internal sealed class UdpEchoHandler : DatagramHandler
{
    public override ValueTask OnDatagramsAsync(DatagramBatch batch, DatagramSender sender)
    {
        foreach (ref readonly var datagram in batch)
        {
            sender.TrySend(datagram.Payload.Span, datagram.Path);
        }

        return default;
    }
}
