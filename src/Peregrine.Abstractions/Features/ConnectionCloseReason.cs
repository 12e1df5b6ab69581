namespace Peregrine.Features;

/// <summary>Why a connection ended. Every connection has exactly one reason: the first that was observed.</summary>
public enum ConnectionCloseReason
{
    /// <summary>The connection has not ended.</summary>
    None = 0,

    /// <summary>The peer sent its FIN (end of stream) before this side ended the connection.</summary>
    PeerClosed,

    /// <summary>The peer reset the connection (RST); what was in flight is lost.</summary>
    PeerReset,

    /// <summary>The handler's task ran to its end.</summary>
    HandlerCompleted,

    /// <summary>The handler threw an exception.</summary>
    HandlerFailed,

    /// <summary>The server was asked to stop, and the handler ended because of it.</summary>
    ServerStopping,

    /// <summary>The connection was still open when the server's stop ran out of time, and was reset.</summary>
    DrainDeadline,

    /// <summary>This side called <c>ConnectionContext.Abort</c>.</summary>
    Aborted,

    /// <summary>The socket failed with an error that is not a reset.</summary>
    IoError,

    /// <summary>The peer sent no byte in time after it had connected.</summary>
    FirstByteTimeout,

    /// <summary>A handshake, such as that of TLS, was not done in time.</summary>
    HandshakeTimeout,

    /// <summary>The peer sent nothing, and acknowledged nothing, for too long.</summary>
    IdleTimeout,

    /// <summary>The peer took nothing of what was there for it for too long.</summary>
    WriteTimeout,

    /// <summary>The peer sent a message that was in progress too slowly.</summary>
    ReadRateTimeout,

    /// <summary>The peer took less than was written, and more than may be was left unsent.</summary>
    SlowConsumer,

    /// <summary>The connections kept more bytes than they may, and this one was among the slowest.</summary>
    BufferLimit,

    /// <summary>The rules of the endpoint do not let the peer's address connect.</summary>
    RejectedAddress,

    /// <summary>The peer's address has as many connections as it may have.</summary>
    RejectedConnectionsPerAddress,

    /// <summary>The peer's address connects more often than it may.</summary>
    RejectedConnectionRate,

    /// <summary>The peer sent more than may be kept unread, as one that never ends its message.</summary>
    UnreadLimit,

    /// <summary>As many connections as may be are in a part of the pipeline, and as many as may wait for it.</summary>
    RejectedConcurrency,

    /// <summary>A handshake, such as that of TLS, has failed: the peer speaks something else, or may not connect.</summary>
    HandshakeFailed,

    /// <summary>This connection alone was asked to end, as by an administrator, and its handler ended because of it.</summary>
    CloseRequested,
}
