namespace Peregrine.Features;

/// <summary>Runs work where the reads and flushes of a connection go on: see <see cref="ConnectionScheduling"/>.</summary>
public interface IConnectionSchedulingFeature
{
    /// <summary>
    /// Runs <paramref name="work"/> soon, never inside the call: with <see cref="ConnectionScheduling.Inline"/> and <see cref="ConnectionScheduling.EventLoop"/> on the
    /// connection's event loop; otherwise, and for connections that have none, on the thread pool. Nothing is promised about the order of several. Safe to call from any thread, also when
    /// the connection has ended.
    /// </summary>
    void Schedule(IThreadPoolWorkItem work);
}
