namespace Peregrine;

/// <summary>Where the handlers of an endpoint's connections go on when their reads and flushes complete.</summary>
public enum ConnectionScheduling
{
    /// <summary>
    /// On the thread pool: a handler that blocks is merely slow. The default. On Linux the pool's own threads look for events (epoll(7)) while there are
    /// any, and receive and send straight on the descriptors; elsewhere, and for connections that this side makes, it is the runtime's sockets.
    /// </summary>
    ThreadPool,

    /// <summary>
    /// On the event loop that has seen the socket's event, without a thread in between: the fastest, for handlers that never block. One that
    /// blocks stalls every connection of that loop, and new ones if that loop accepts, which is logged from 100 ms on. The loops are the server's own, one thread for each core; nothing else in the
    /// process is changed, and connections that this side makes are as those of <see cref="ThreadPool"/>. Linux only; elsewhere it is the same as <see cref="ThreadPool"/>, which
    /// is logged once.
    /// </summary>
    Inline,

    /// <summary>
    /// On event loops of the server's own, one thread for each core, without a thread in between: nearly as fast as <see cref="Inline"/>, as safe as
    /// <see cref="ThreadPool"/>. A loop whose handler blocks or computes for more than some 10 ms is handed to another thread, which goes on with its
    /// other connections; if handlers hold more than 64 threads at once, the connections of the loops that they hold wait, which is logged.
    /// Nothing else in the process is changed. Linux only; elsewhere it is the same as <see cref="ThreadPool"/>, which is logged once.
    /// </summary>
    EventLoop,
}
