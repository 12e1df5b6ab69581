using Microsoft.Extensions.Logging;
using Peregrine.Server.Connections;
using Peregrine.Server.Hosting;

namespace Peregrine.Server.Admin;

/// <summary>
/// Looks at the connections of the running server, ends them, and changes its limits: a service of the host, for the application's own commands and
/// pages. <see cref="Endpoints.ServerEndpoint"/> suspends and resumes an endpoint. Over a Unix domain socket, the same is
/// there for tools: <see cref="AdminOptions.Socket"/>.
/// </summary>
/// <remarks>Safe to use from any thread. Before the start and after the end of the server, there are no connections.</remarks>
public sealed class PeregrineAdmin
{
    private readonly PeregrineServer _server;
    private readonly LiveSettings _settings;
    private readonly TimeProvider _clock;
    private readonly GuardedLogger _logger;

    internal PeregrineAdmin(PeregrineServer server, LiveSettings settings, TimeProvider clock, ILoggerFactory loggerFactory)
    {
        _server = server;
        _settings = settings;
        _clock = clock;
        _logger = new GuardedLogger(loggerFactory.CreateLogger("Peregrine.Server"));
    }

    /// <summary>
    /// What <see cref="ChangeSettings"/> has changed and holds still, by the names of the settings below the section <c>Peregrine</c>.
    /// </summary>
    public IReadOnlyDictionary<string, string> ChangedSettings => _settings.Changes.Values;

    private IEnumerable<ConnectionTracker> Trackers => _server.Endpoints.Select(static endpoint => endpoint.Tracker).OfType<ConnectionTracker>();

    /// <summary>
    /// Lists connections. It looks at each of them once, at a cost of about a microsecond, and stops nothing meanwhile: one that comes or goes during
    /// the look may be in the list or not, and between the look at one page and at the next the order may change.
    /// </summary>
    /// <param name="query">Which, and in which order.</param>
    public ConnectionPage ListConnections(ConnectionQuery query)
    {
        ArgumentNullException.ThrowIfNull(query);
        return ConnectionListing.List(
            Trackers.Where(tracker => query.Endpoint is null || tracker.Contract.Endpoint.Equals(query.Endpoint, StringComparison.OrdinalIgnoreCase)), query, _clock);
    }

    /// <summary>Looks at one connection.</summary>
    /// <param name="connectionId">Its id, as in the log.</param>
    /// <returns>Null if there is no such connection, or no more.</returns>
    public ConnectionSnapshot? FindConnection(string connectionId) => Find(connectionId) is { } connection ? ConnectionListing.Describe(connection, _clock) : null;

    /// <summary>
    /// Asks the handler of a connection to end, by <c>IConnectionLifetimeNotificationFeature.ConnectionClosedRequested</c>, as the server's stop does: what it
    /// writes is sent, then it is closed. A handler that does not look goes on: see <see cref="AbortConnection"/>.
    /// </summary>
    /// <param name="connectionId">Its id, as in the log.</param>
    /// <returns>False if there is no such connection, or no more.</returns>
    public bool CloseConnection(string connectionId)
    {
        if (Find(connectionId) is not { } connection)
        {
            return false;
        }

        ServerLog.AdminClosed(_logger, connection.Supervised.Name, connectionId, "asked to end");
        connection.RequestCloseAlone();
        return true;
    }

    /// <summary>Resets a connection at once. What is on its way to the peer may be lost.</summary>
    /// <param name="connectionId">Its id, as in the log.</param>
    /// <returns>False if there is no such connection, or no more.</returns>
    public bool AbortConnection(string connectionId)
    {
        if (Find(connectionId) is not { } connection)
        {
            return false;
        }

        ServerLog.AdminClosed(_logger, connection.Supervised.Name, connectionId, "reset");
        connection.Abort(Features.ConnectionCloseReason.Aborted, new("The connection was reset by an administrator."));
        return true;
    }

    /// <summary>
    /// Changes limits, timeouts and addresses of the running server, those that a change of the configuration changes at once. They are checked as the
    /// configuration is, all of them before any is in effect, and hold until the configuration changes next, which takes back all of them, or until the
    /// process ends.
    /// </summary>
    /// <param name="settings">
    /// Values by the names of the settings below the section <c>Peregrine</c>, such as <c>Limits:MaxConnections</c>,
    /// <c>Endpoints:echo:Timeouts:Idle</c> or <c>Endpoints:echo:Addresses:Deny:0</c>, without regard to case. Null takes a change back.
    /// </param>
    /// <exception cref="ArgumentException">
    /// A setting is unknown, is not one that can change, or has a value that it cannot have, which the message names: nothing has changed.
    /// </exception>
    public void ChangeSettings(IReadOnlyDictionary<string, string?> settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        try
        {
            _settings.Change(settings);
        }
        catch (PeregrineStartException exception)
        {
            throw new ArgumentException(exception.Message, exception);
        }
    }

    private ServerConnection? Find(string connectionId)
    {
        ArgumentNullException.ThrowIfNull(connectionId);
        return ConnectionListing.Find(Trackers, connectionId);
    }
}
