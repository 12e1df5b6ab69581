using System.Collections.Concurrent;
using System.Net;
using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Server.Diagnostics;

/// <summary>
/// Tells of connections that a limit or a timeout has ended: each is counted, and logged at Debug; once a minute for each reason at most, one is a
/// Warning, which says how many there were.
/// </summary>
internal sealed class EndReport(ServerMetrics metrics, TimeProvider clock, ILogger logger)
{
    private readonly ConcurrentDictionary<ConnectionCloseReason, ReportInterval> _warnings = [];
    private long _count;

    /// <summary>How many there were, ever.</summary>
    public long Count => Interlocked.Read(ref _count);

    public void Ended(string endpoint, ConnectionCloseReason reason, string connectionId, EndPoint? peer, string explanation)
    {
        Interlocked.Increment(ref _count);
        metrics.Rejected(endpoint, reason);
        ServerLog.ConnectionRefused(logger, endpoint, connectionId, peer, reason, explanation);
        if (_warnings.GetOrAdd(reason, static (_, clock) => new ReportInterval(clock), clock).IsDue(out var count))
        {
            ServerLog.ConnectionsRefused(logger, endpoint, peer, reason, explanation, count - 1);
        }
    }
}
