namespace Peregrine;

/// <summary>
/// Bounds of the graceful close, in which what was written is sent, then the FIN, and then what the peer still sends is discarded until its
/// own FIN: a socket that is released earlier answers with a reset, and the peer loses what it has not read (RFC 9112 §9.6 tells why).
/// </summary>
public sealed class CloseOptions
{
    /// <summary>
    /// How long the peer may take nothing of what is left to send, or leave all of it unacknowledged. Default 60 seconds; from 1 second to one
    /// day. Then the connection is reset, which loses the rest; it is counted as aborted and unflushed.
    /// </summary>
    /// <remarks>
    /// Too short a time cuts off peers that read steadily: one whose receive buffer is full takes nothing before a part of the buffer is free again, and
    /// Linux lets a buffer grow to megabytes (tcp_rmem, tcp(7)).
    /// </remarks>
    public TimeSpan ProgressTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How long a peer that has everything may say nothing, not even its FIN. Default 5 seconds; from 1 second to one day. Then the socket is
    /// released; on Linux with a reset, which loses nothing of what the peer has acknowledged and leaves no socket behind.
    /// </summary>
    public TimeSpan Silence { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long, in all, a peer that has everything may go on sending. Default 30 seconds; from 1 second to one day. Then as with
    /// <see cref="Silence"/>.
    /// </summary>
    public TimeSpan Total { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How much the peer may send after our FIN. Default 67,108,864 bytes; at least 0. What is more is not received, and the socket is
    /// released as soon as the peer has everything.
    /// </summary>
    public long DiscardLimitInBytes { get; set; } = 64 << 20;

    /// <summary>
    /// How many connections whose peers have everything may wait for their FIN at once. Default 8,192; at least 1. With one more, the one that has
    /// waited longest is released as at the end of its time: nothing is lost. Peers that still take what was sent do not count: they are bounded by
    /// <see cref="ProgressTimeout"/>.
    /// </summary>
    public int MaxLingering { get; set; } = 8192;
}
