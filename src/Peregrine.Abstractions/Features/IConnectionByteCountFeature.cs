namespace Peregrine.Features;

/// <summary>Counts the bytes that passed between a connection and its transport.</summary>
/// <remarks>Safe to read from any thread; a value read while the connection works may be a little old.</remarks>
public interface IConnectionByteCountFeature
{
    /// <summary>Bytes received from the peer so far.</summary>
    long BytesReceived { get; }

    /// <summary>Bytes that the transport took for the peer so far (for a socket: handed to the kernel, not acknowledged by the peer).</summary>
    long BytesSent { get; }
}
