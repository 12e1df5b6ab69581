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

    /// <summary>
    /// How many attempts to connect the system has dropped at the listener since it listens, because its queue was full or memory was short; it never goes
    /// down, and keeps its last value when the listener is closed. A client that tries again counts again. Null where the system does not tell. For a TCP
    /// socket on Linux, the drops of SO_MEMINFO (socket(7)): one system call.
    /// </summary>
    long? DroppedConnections => null;

    /// <summary>The error that accepting waits out, such as a shortage of descriptors; null while it does not.</summary>
    SocketError? AcceptError { get; }

    /// <summary>Called for every error of accepting, on the thread that accepts; it must not block. What it throws is ignored. Default none.</summary>
    Action<SocketError>? AcceptFailed { get; set; }
}
