using System.Buffers;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.EventLoops;

namespace Peregrine.Sockets;

/// <summary>Options of the socket transport. They are read once, when the transport is made.</summary>
public sealed class SocketTransportOptions
{
    /// <summary>
    /// The number of connections that the kernel may complete and queue before the server accepts them (listen(2)).
    /// Default 4096; at least 1. The kernel lowers it to <c>net.core.somaxconn</c>, which is logged; when the queue is full, clients wait and
    /// retry.
    /// </summary>
    public int Backlog { get; set; } = 4096;

    /// <summary>
    /// How many sockets listen on the same TCP port (SO_REUSEPORT, socket(7)), each with a queue of <see cref="Backlog"/> connections, over
    /// which the kernel spreads the clients. Default 1; from 1 to 1024. More than one on Linux only. They are one listener to whoever accepts,
    /// and unbound together, so that no connection is lost. Nobody else gets the port, unless the same user asks for it with SO_REUSEPORT.
    /// </summary>
    public int Listeners { get; set; } = 1;

    /// <summary>
    /// How many calls of <c>AcceptAsync</c> accept at once, on each socket that listens; more wait. Default 1; from 1 to 1024.
    /// Two or four accepted no faster on two cores: a connection costs far more than its accept.
    /// </summary>
    public int AcceptSlots { get; set; } = 1;

    /// <summary>Options of its sockets: those that listen, those that are accepted and those that connect.</summary>
    public SocketOptions Socket { get; init; } = new();

    /// <summary>Bounds of the graceful close of its connections.</summary>
    public CloseOptions Close { get; init; } = new();

    /// <summary>
    /// Where reads and flushes go on that had to wait. Default <see cref="ConnectionScheduling.ThreadPool"/>. Where
    /// <see cref="ConnectionScheduling.Inline"/> or <see cref="ConnectionScheduling.EventLoop"/> is not possible, it is logged once, and the default is
    /// used. Connections that this side makes do not go on on event loops, but on the thread pool.
    /// </summary>
    public ConnectionScheduling Scheduling { get; set; }

    /// <summary>
    /// How many bytes a reader keeps that were examined and not consumed. Default 1 MiB; at least 1. A read that asks for more fails with
    /// <see cref="InvalidDataException"/>: a peer that never ends its message must not fill the memory. Messages that are read as a whole
    /// must be smaller.
    /// </summary>
    public long MaxUnreadBytes { get; set; } = DefaultMaxUnreadBytes;

    /// <summary>
    /// The pool that receive and send buffers are rented from; it is shared with handlers through <c>IMemoryPoolFeature</c>.
    /// Default <see cref="PinnedMemoryPool.Shared"/>. The transport never disposes it.
    /// </summary>
    public MemoryPool<byte> MemoryPool { get; set; } = PinnedMemoryPool.Shared;

    /// <summary>The clock of the transport's timeouts and back-off. Default <see cref="TimeProvider.System"/>.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    internal const long DefaultMaxUnreadBytes = 1 << 20;

    /// <summary>For tests: everything that the options do not tell.</summary>
    internal StreamSettings? StreamSettings { get; set; }

    /// <summary>For tests on Linux: the runtime's sockets, as they are used elsewhere.</summary>
    internal bool UsesEventArgs { get; set; }

    /// <summary>For tests: event loops that nobody else uses, instead of the process's.</summary>
    internal LoopGroup? EventLoops { get; set; }
}
