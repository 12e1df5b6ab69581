using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Features;
using Peregrine.Server.Diagnostics;

namespace Peregrine.Server.Admission;

/// <summary>Resets connections that are refused, counts them, and says so: each at Debug, and once a minute for each reason as a warning.</summary>
internal sealed class Refusals(ServerMetrics metrics, TimeProvider clock, ILogger logger)
{
    private const string PerAddressRemedy = "raise it, or add the network of a proxy whose clients all have its address to Peregrine:Limits:ExemptNetworks";

    // One for all: it tells nothing of the connection, and the peer sees a reset.
    private static readonly ConnectionAbortedException s_refused = new("The connection was refused.");

    private readonly ReportInterval _address = new(clock);
    private readonly ReportInterval _connectionsPerAddress = new(clock);
    private readonly ReportInterval _connectionRate = new(clock);
    private readonly ReportInterval _stopping = new(clock);

    public void Refuse(ConnectionContext connection, string endpoint, ConnectionCloseReason reason)
    {
        var remoteEndPoint = connection.RemoteEndPoint;
        _ = ResetAsync(connection, endpoint);
        metrics.Rejected(endpoint, reason);
        if (logger.IsEnabled(LogLevel.Debug))
        {
            ServerLog.Refused(logger, endpoint, remoteEndPoint, reason);
        }

        Warn(endpoint, remoteEndPoint, reason);
    }

    /// <summary>Resets a connection that nobody has seen.</summary>
    public async Task ResetAsync(ConnectionContext connection, string endpoint)
    {
        try
        {
            connection.Abort(s_refused);
            await connection.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            ServerLog.CloseFailed(logger, endpoint, connection.ConnectionId, exception);
        }
    }

    private void Warn(string endpoint, EndPoint? remoteEndPoint, ConnectionCloseReason reason)
    {
        var interval = reason switch
        {
            ConnectionCloseReason.RejectedAddress => _address,
            ConnectionCloseReason.RejectedConnectionsPerAddress => _connectionsPerAddress,
            ConnectionCloseReason.RejectedConnectionRate => _connectionRate,
            _ => _stopping,
        };
        if (interval.IsDue(out var count))
        {
            var (setting, remedy) = RemedyOf(endpoint, reason);
            ServerLog.RefusedSinceLastReport(logger, endpoint, count, reason, remoteEndPoint, setting, remedy);
        }
    }

    private static (string Setting, string Remedy) RemedyOf(string endpoint, ConnectionCloseReason reason) => reason switch
    {
        ConnectionCloseReason.RejectedAddress => (
            $"Peregrine:Endpoints:{endpoint}:Addresses", "if it should connect, add its network to Allow or take it out of Deny"),
        ConnectionCloseReason.RejectedConnectionsPerAddress => ("Peregrine:Limits:MaxConnectionsPerAddress", PerAddressRemedy),
        ConnectionCloseReason.RejectedConnectionRate => ("Peregrine:Limits:ConnectionsPerSecondPerAddress", PerAddressRemedy),
        _ => ("Peregrine:Limits:MaxConnections", "they waited for a place when the endpoint stopped, and none came free; raise it"),
    };
}
