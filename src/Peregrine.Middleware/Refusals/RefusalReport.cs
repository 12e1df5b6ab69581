using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Middleware.Refusals;

/// <summary>
/// Resets connections that a middleware refuses. A server that keeps account of them (<see cref="IConnectionRefusalFeature"/>) counts and logs them; elsewhere
/// it is done here, in the same way: each is counted and a Debug entry, and once a minute for each reason one is a warning. Safe to use from any thread.
/// </summary>
internal sealed class RefusalReport
{
    private readonly ConcurrentDictionary<ConnectionCloseReason, ReportInterval> _warnings = [];
    private readonly GuardedLogger _logger;
    private readonly EndedConnections? _ended;
    private readonly TimeProvider _clock;

    public RefusalReport(IServiceProvider? services)
    {
        _clock = PipelineServices.ClockOf(services);
        _logger = PipelineServices.LoggerOf(services, RefusalLog.Category);
        _ended = PipelineServices.MeterOf(services) is { } meter ? new EndedConnections(meter) : null;
    }

    /// <summary>Resets a connection.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="reason">Its reason.</param>
    /// <param name="explanation">A sentence for the log, which says where the limit is set.</param>
    public void Refuse(ConnectionContext connection, ConnectionCloseReason reason, string explanation)
    {
        if (connection.Features.Get<IConnectionRefusalFeature>() is { } server)
        {
            server.Refuse(reason, explanation);
            return;
        }

        Refuse(connection, connection.Features.Get<IConnectionCloseFeature>(), reason, explanation);
    }

    /// <summary>For a thread that is not the connection's, which the table of features is not for.</summary>
    /// <param name="connection">One that has no <see cref="IConnectionRefusalFeature"/>.</param>
    /// <param name="close">Its feature.</param>
    /// <param name="reason">Its reason.</param>
    /// <param name="explanation">A sentence for the log.</param>
    public void Refuse(ConnectionContext connection, IConnectionCloseFeature? close, ConnectionCloseReason reason, string explanation)
    {
        close?.TrySetReason(reason);
        Count(connection, reason, explanation);
        connection.Abort(new ConnectionAbortedException(explanation));
    }

    private void Count(ConnectionContext connection, ConnectionCloseReason reason, string explanation)
    {
        _ended?.Count(reason, []);
        if (_logger.IsEnabled(LogLevel.Debug))
        {
            RefusalLog.Refused(_logger, connection.ConnectionId, connection.RemoteEndPoint, reason, explanation);
        }

        if (_warnings.GetOrAdd(reason, static (_, clock) => new ReportInterval(clock), _clock).IsDue(out var count))
        {
            RefusalLog.RefusedSinceLastReport(_logger, connection.RemoteEndPoint, reason, explanation, count - 1);
        }
    }
}
