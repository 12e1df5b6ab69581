using System.Net;
using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Server.Diagnostics;

/// <summary>
/// Tells of connections that a limit or a timeout has ended: each is counted, and logged at Debug; once a minute for each reason at most, one is a
/// Warning, which says how many there were.
/// </summary>
internal sealed class LimitReport(ServerMetrics metrics, TimeProvider clock, ILogger logger)
{
    private static readonly TimeSpan WarningInterval = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<ConnectionCloseReason, (long WarnedAt, long Since)> _warnings = [];
    private long _count;

    /// <summary>How many there were, ever.</summary>
    public long Count => Interlocked.Read(ref _count);

    public void Ended(string endpoint, ConnectionCloseReason reason, string connectionId, EndPoint? peer, string explanation)
    {
        Interlocked.Increment(ref _count);
        metrics.Rejected(endpoint, reason);
        ServerLog.ConnectionRefused(logger, endpoint, connectionId, peer, reason, explanation);
        if (ShouldWarn(reason, out var more))
        {
            ServerLog.ConnectionsRefused(logger, endpoint, peer, reason, explanation, more);
        }
    }

    private bool ShouldWarn(ConnectionCloseReason reason, out long more)
    {
        lock (_lock)
        {
            var now = clock.GetTimestamp();
            if (_warnings.TryGetValue(reason, out var last) && clock.GetElapsedTime(last.WarnedAt, now) < WarningInterval)
            {
                _warnings[reason] = last with { Since = last.Since + 1 };
                more = 0;
                return false;
            }

            more = last.Since;
            _warnings[reason] = (now, 0);
            return true;
        }
    }
}
