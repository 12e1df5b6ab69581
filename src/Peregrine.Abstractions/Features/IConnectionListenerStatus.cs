using System.Net.Sockets;

namespace Peregrine.Features;

/// <summary>
/// What a listener (<c>IConnectionListener</c>) tells of its accepting, to whoever measures and watches it. A listener that tells nothing need not
/// implement it. Safe to use from any thread.
/// </summary>
public interface IConnectionListenerStatus
{
    /// <summary>
    /// How many connections wait in the system's queue to be accepted; null where it does not tell. It asks the system each time; meant for
    /// measurements at intervals.
    /// </summary>
    int? QueuedConnections { get; }

    /// <summary>The error that accepting waits out, such as a shortage of descriptors; null while it does not.</summary>
    SocketError? AcceptError { get; }

    /// <summary>Called for every error of accepting, on the thread that accepts; it must not block. What it throws is ignored. Default none.</summary>
    Action<SocketError>? AcceptFailed { get; set; }
}
