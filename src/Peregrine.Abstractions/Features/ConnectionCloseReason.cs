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
}
