namespace Peregrine.Server.Timeouts;

/// <summary>
/// How long the peers of an endpoint may take, section <c>Peregrine:Endpoints:&lt;name&gt;:Timeouts</c>. Each is looked at once a second, so it ends a
/// connection up to a second late, and does so also while the handler reads nothing. <see cref="TimeSpan.Zero"/> is off. A change of the
/// configuration takes effect at once, and counts the time before it, except where <see cref="Features.IConnectionTimeoutFeature"/> has set another time for a connection.
/// </summary>
/// <remarks>
/// They need a transport that counts bytes (<see cref="Features.IConnectionByteCountFeature"/>), and the rate of messages one that tells of its buffers
/// (<see cref="Features.IConnectionBufferFeature"/>), as the socket transport does. What a peer has acknowledged is known of TCP on Linux; elsewhere,
/// what the system has taken counts as acknowledged, and it takes no more than its buffer.
/// </remarks>
public sealed class EndpointTimeouts
{
    /// <summary>
    /// From the accept to the first byte. Default off, for protocols in which the server speaks first; to 24 days. Then the connection is reset, with
    /// <c>ConnectionCloseReason.FirstByteTimeout</c>.
    /// </summary>
    public TimeSpan FirstByte { get; set; }

    /// <summary>
    /// The time of a handshake, such as that of TLS, with the wait for its turn. Default 10 seconds; to 24 days. Then the connection is reset, with
    /// <c>ConnectionCloseReason.HandshakeTimeout</c>.
    /// </summary>
    public TimeSpan Handshake { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long a peer may send nothing, and acknowledge nothing of what is sent to it, while the handler waits for it. Default 2 minutes and 10 seconds;
    /// to 24 days. What this side writes does not count: a peer that is gone acknowledges nothing. While the handler does not read, or bytes of the peer
    /// wait for it in the system, it is this side that is awaited: for its answer, for example, however long it takes. Then only a peer that is gone ends,
    /// which has reset the connection or answers no probes (<see cref="KeepAliveOptions"/>). The connection is reset, with
    /// <c>ConnectionCloseReason.IdleTimeout</c>. A handler that reads ahead while it works on an answer sets the time for its connection.
    /// </summary>
    public TimeSpan Idle { get; set; } = TimeSpan.FromSeconds(130);

    /// <summary>
    /// How long a peer may take nothing of what is there for it: what is flushed, and what the system has taken to send. Default 60 seconds; to 24
    /// days. Then the connection is reset, with <c>ConnectionCloseReason.WriteTimeout</c>. A peer that reads slowly takes nothing for a time, too: one
    /// whose receive buffer is full, before a sixteenth of it is free again, and Linux lets a buffer grow to megabytes (tcp_rmem, tcp(7)): at 32 MiB, one
    /// that reads less than 35 KB a second looks, for a minute, like one that does not read.
    /// </summary>
    public TimeSpan WriteProgress { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How many bytes a second a peer must send, on average, while a message is in progress: the handler has looked at bytes, consumed them not, and
    /// waits for more. Default 0, which is off. Slower, after <see cref="MinReadRateGrace"/>, the connection is reset, with
    /// <c>ConnectionCloseReason.ReadRateTimeout</c>. Not for protocols that people type.
    /// </summary>
    public int MinReadRateInBytesPerSecond { get; set; }

    /// <summary>How long a message may be in progress before its rate is looked at. Default 5 seconds; from one second to 24 days.</summary>
    public TimeSpan MinReadRateGrace { get; set; } = TimeSpan.FromSeconds(5);
}
