using System.Net;
using Microsoft.Extensions.Logging;

namespace Peregrine.Sockets.EventLoops;

/// <summary>Logs that a handler holds an event loop, and with it every other connection of that loop: once a minute at most.</summary>
internal sealed class StallReport(TimeProvider clock, ILogger logger)
{
    /// <summary>How long a loop may be held.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(100);

    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private long? _reportedAt;

    /// <param name="endPoint">Whose handler it is.</param>
    /// <param name="held">For how long, so far.</param>
    /// <param name="threads">How many threads there are to run loops, which are all held.</param>
    /// <param name="isInline">None takes over, by intention.</param>
    public void Report(EndPoint? endPoint, TimeSpan held, int threads, bool isInline)
    {
        if (!IsDue())
        {
            return;
        }

        if (isInline)
        {
            SocketsLog.LoopHeld(logger, endPoint, held.TotalMilliseconds);
        }
        else
        {
            SocketsLog.LoopStalled(logger, endPoint, held.TotalMilliseconds, threads);
        }
    }

    private bool IsDue()
    {
        lock (_lock)
        {
            var now = clock.GetTimestamp();
            if (_reportedAt is { } last && clock.GetElapsedTime(last, now) < Interval)
            {
                return false;
            }

            _reportedAt = now;
            return true;
        }
    }
}
