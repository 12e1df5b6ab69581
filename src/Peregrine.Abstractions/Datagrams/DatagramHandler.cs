namespace Peregrine;

/// <summary>Handles the datagrams of an endpoint: one instance for all of its peers, so that the state of a peer does not belong into fields.</summary>
/// <remarks>An endpoint with several receive loops calls it from each of them, at the same time.</remarks>
public abstract class DatagramHandler
{
    /// <inheritdoc cref="DatagramDelegate"/>
    public abstract ValueTask OnDatagramsAsync(DatagramBatch batch, DatagramSender sender);
}
