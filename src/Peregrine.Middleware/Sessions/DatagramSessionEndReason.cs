namespace Peregrine.Middleware;

/// <summary>Why a session has ended. The first reason stays.</summary>
public enum DatagramSessionEndReason
{
    /// <summary>Nothing has come for <see cref="DatagramSessionOptions.IdleTimeout"/>. What is queued can be read, and the peer be sent to, until the handler returns.</summary>
    Idle = 0,

    /// <summary>Its peer was not validated, and its place was needed (<see cref="DatagramSessionOptions.MaxSessions"/>, <see cref="DatagramSessionOptions.MaxSessionsPerAddress"/>).</summary>
    Evicted,

    /// <summary>Its handler has returned.</summary>
    HandlerCompleted,

    /// <summary>Its handler has thrown an exception.</summary>
    HandlerFailed,

    /// <summary>The endpoint stops. What is queued can be read, and the peer be sent to, until the handler returns or the deadline of the stop is there.</summary>
    Stopping,

    /// <summary><see cref="DatagramSession.Close"/> was called.</summary>
    Closed,
}
