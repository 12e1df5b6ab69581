namespace Peregrine;

/// <summary>
/// Sends datagrams from the socket of an endpoint. What is queued is sent with as few system calls as the platform allows: when the handler that queued it has ended its batch, when
/// so much is queued that a call is full, and, outside of handlers, as soon as a thread is free.
/// </summary>
/// <remarks>
/// Safe to use from any thread, also while and after a handler runs. Datagrams that one flow queues leave in their order. The queue is bounded; a full one waits for nothing but the kernel.
/// Errors that the system reports for a datagram (unreachable, too large for the path) are counted (<see cref="DatagramDropReason"/>), and cost no other datagram.
/// </remarks>
public abstract class DatagramSender
{
    /// <summary>The most bytes that a payload may have; 65,507 for UDP (65,535 less the headers of IPv4 and UDP).</summary>
    public abstract int MaxPayloadSizeInBytes { get; }

    /// <summary>Queues a copy of the payload, without waiting.</summary>
    /// <param name="payload">May be empty.</param>
    /// <param name="path">Where to; the path of a datagram is the way back to its sender.</param>
    /// <param name="marks">For its header; what is null is that of the socket.</param>
    /// <returns>False if the queue is full, because the kernel takes no more: the datagram is dropped, and counted.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The payload is longer than <see cref="MaxPayloadSizeInBytes"/>, or a mark is out of its range.</exception>
    /// <exception cref="ObjectDisposedException">The endpoint is closed.</exception>
    public abstract bool TrySend(ReadOnlySpan<byte> payload, in DatagramPath path, DatagramMarks marks = default);

    /// <summary>Queues a copy of the payload, and waits for room while the queue is full.</summary>
    /// <param name="payload">May be empty; it may be used again when the task completes.</param>
    /// <param name="path">Where to.</param>
    /// <param name="marks">For its header; what is null is that of the socket.</param>
    /// <param name="cancellationToken">Ends the wait; the datagram is not sent then.</param>
    /// <exception cref="ArgumentOutOfRangeException">As with <see cref="TrySend"/>.</exception>
    /// <exception cref="ObjectDisposedException">The endpoint is closed.</exception>
    public abstract ValueTask SendAsync(ReadOnlyMemory<byte> payload, DatagramPath path, DatagramMarks marks = default, CancellationToken cancellationToken = default);

    /// <summary>Gives what is queued to the kernel now, and waits while it takes no more. A handler need not call it.</summary>
    /// <param name="cancellationToken">Ends the wait; what is queued stays queued.</param>
    /// <exception cref="ObjectDisposedException">The endpoint is closed.</exception>
    public abstract ValueTask FlushAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// The largest IP packet, in bytes, that the system believes the path to take without being fragmented (IP_MTU, ip(7); RFC 8899 §1). A payload may have 28 bytes less on IPv4,
    /// 48 less on IPv6. Asks the system each time; null where it does not tell.
    /// </summary>
    public virtual int? GetPathMtu(in DatagramPath path) => null;
}
