using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text.Json;
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
    // That of the server (ServerMetrics): where there are both, they are one instrument.
    private const string Instrument = "peregrine.server.connections.rejected";

    private readonly ConcurrentDictionary<ConnectionCloseReason, Account> _accounts = [];
    private readonly GuardedLogger _logger;
    private readonly Counter<long>? _rejected;
    private readonly TimeProvider _clock;

    public RefusalReport(IServiceProvider? services)
    {
        _clock = PipelineServices.ClockOf(services);
        _logger = PipelineServices.LoggerOf(services, "Peregrine.Middleware");
        _rejected = PipelineServices.MeterOf(services)?.CreateCounter<long>(
            Instrument, "{connection}", "Connections that were refused, or ended by a timeout or a limit, by the reason.");
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
        var account = _accounts.GetOrAdd(reason, static (reason, clock) => new Account(NameOf(reason), new ReportInterval(clock)), _clock);
        try
        {
            _rejected?.Add(1, new KeyValuePair<string, object?>("peregrine.close.reason", account.Name));
        }
        catch (Exception)
        {
            // Listeners are called here, and what they throw is theirs.
        }

        if (_logger.IsEnabled(LogLevel.Debug))
        {
            RefusalLog.Refused(_logger, connection.ConnectionId, connection.RemoteEndPoint, reason, explanation);
        }

        if (account.Warning.IsDue(out var count))
        {
            RefusalLog.RefusedSinceLastReport(_logger, connection.RemoteEndPoint, reason, explanation, count - 1);
        }
    }

    private static string NameOf(ConnectionCloseReason reason) => JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString());

    private sealed record Account(string Name, ReportInterval Warning);
}
