namespace Peregrine;

/// <summary>Why a datagram was dropped on this side.</summary>
public enum DatagramDropReason
{
    /// <summary>Received: the kernel's receive buffer was full, because handlers are too slow or the buffer is too small (SO_MEMINFO, socket(7)).</summary>
    ReceiveBufferFull = 0,

    /// <summary>Received: it is longer than the endpoint's <c>MaxDatagramSizeInBytes</c>; what is left of it is not handed out.</summary>
    Truncated,

    /// <summary>Received: the address rules do not let its address in.</summary>
    RejectedAddress,

    /// <summary>Received: the handler of its batch threw an exception.</summary>
    HandlerFailed,

    /// <summary>Received: it was still to be handled at the deadline of the stop.</summary>
    Stopping,

    /// <summary>To send: the queue was full, and the kernel took no more.</summary>
    SendQueueFull,

    /// <summary>To send: larger than the path takes, where it may not be fragmented (EMSGSIZE).</summary>
    SendTooLarge,

    /// <summary>To send: there is no way to the address (ENETUNREACH, EHOSTUNREACH), or nobody there (ECONNREFUSED).</summary>
    SendUnreachable,

    /// <summary>To send: a firewall of this machine refuses it, or the socket may not send there (EPERM, EACCES).</summary>
    SendRefused,

    /// <summary>To send: any other error, or the endpoint was closed before it was sent.</summary>
    SendFailed,

    /// <summary>Received: there are as many sessions as there may be, and none that could make room.</summary>
    SessionLimit,

    /// <summary>Received: its address has as many sessions as it may have.</summary>
    SessionLimitPerAddress,

    /// <summary>Received: the queue of its session was full.</summary>
    SessionQueueFull,

    /// <summary>Received: it belongs to no session, and does not begin one: its peer is not validated, or the application refused it.</summary>
    SessionRefused,

    /// <summary>Received: its session ended before it was read.</summary>
    SessionEnded,

    /// <summary>To send: the peer is not validated, and has not sent a third of it (RFC 9000 §8.1).</summary>
    AmplificationLimit,
}
