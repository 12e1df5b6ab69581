using Microsoft.Extensions.Logging;

namespace Peregrine.Server.Datagrams;

/// <summary>
/// What a datagram endpoint does once a second: counts what only the kernel knows, warns of drops, and calls what middleware has asked for. On a thread of its own at each beat, so that a callback that
/// blocks holds up the timeouts of nobody else.
/// </summary>
internal sealed class DatagramHeartbeat(string endpoint, IReadOnlyList<Action> looks, TimeProvider clock, ILogger logger) : IThreadPoolWorkItem
{
    private readonly ReportInterval _failures = new(clock);
    private volatile bool _isOver;
    private int _isBeating;

    /// <summary>A second has passed. If the beat before is not over, this one is left out.</summary>
    public void Beat()
    {
        // One flag, taken here and given back by the beat: no two run at a time.
        if (!_isOver && Interlocked.Exchange(ref _isBeating, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <summary>There are no more beats; one that is under way goes on.</summary>
    public void Stop() => _isOver = true;

    public void Execute()
    {
        foreach (var look in looks)
        {
            try
            {
                if (!_isOver)
                {
                    look();
                }
            }
            catch (Exception exception)
            {
                if (_failures.IsDue(out _))
                {
                    ServerLog.DatagramHeartbeatFailed(logger, endpoint, exception);
                }
            }
        }

        Volatile.Write(ref _isBeating, 0);
    }
}
