namespace Peregrine;

/// <summary>A datagram that was received.</summary>
/// <remarks>Its payload is valid as long as whoever handed it out says: that of a <see cref="DatagramBatch"/> until the handler's task completes.</remarks>
/// <param name="payload">All of it, be it empty.</param>
/// <param name="path">Between which addresses it came.</param>
/// <param name="marks">What its header said, where the endpoint asks for it.</param>
/// <param name="timestamp">When it was received, of <see cref="TimeProvider.GetTimestamp"/>.</param>
public readonly struct Datagram(ReadOnlyMemory<byte> payload, DatagramPath path, DatagramMarks marks = default, long timestamp = 0)
{
    private readonly DatagramPath _path = path;

    /// <summary>All of it, be it empty: from 0 to 65,527 bytes.</summary>
    public ReadOnlyMemory<byte> Payload { get; } = payload;

    /// <summary>Between which addresses it came; an answer takes it as it is.</summary>
    public DatagramPath Path => _path;

    /// <summary>Who sent it, if the address is not forged: nothing proves it before the peer has answered.</summary>
    public DatagramAddress RemoteAddress => _path.RemoteAddress;

    /// <summary>To which address of this side it was sent.</summary>
    public DatagramAddress LocalAddress => _path.LocalAddress;

    /// <summary>What its header said; null where the endpoint does not ask for it (<see cref="DatagramSocketOptions.ReceiveMarks"/>).</summary>
    public DatagramMarks Marks { get; } = marks;

    /// <summary>When it was received, of <see cref="TimeProvider.GetTimestamp"/>; those of one batch have one.</summary>
    public long Timestamp { get; } = timestamp;
}
