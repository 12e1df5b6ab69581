using Microsoft.AspNetCore.Connections.Features;
using Peregrine.Features;
using Peregrine.Server.Connections;

namespace Peregrine.Server.Admin;

/// <summary>
/// Looks at connections without holding anybody up: a lock is held for some hundred of them at a time, in which they are only listed. What is asked of
/// each is safe to ask from any thread, and only those of the page are described.
/// </summary>
internal static class ConnectionListing
{
    public static ConnectionPage List(IEnumerable<ConnectionTracker> trackers, ConnectionQuery query, TimeProvider clock)
    {
        // The last of those that come first is on top, where it gives way to one that comes before it.
        var first = new PriorityQueue<ServerConnection, (double Key, long Age)>();
        var most = (int)Math.Min((long)query.Skip + query.Take, int.MaxValue);
        var total = 0;
        var now = clock.GetTimestamp();
        foreach (var connection in Walk(trackers))
        {
            total++;
            var key = (KeyOf(connection, query.Order), now - connection.StartedAt);
            if (first.Count < most)
            {
                first.Enqueue(connection, key);
            }
            else
            {
                first.EnqueueDequeue(connection, key);
            }
        }

        var page = new List<ServerConnection>();
        while (first.Count > query.Skip)
        {
            page.Add(first.Dequeue());
        }

        page.Reverse();
        return new ConnectionPage(total, [.. page.Distinct().Select(connection => Describe(connection, clock))]);
    }

    /// <summary>Null if there is none with this id.</summary>
    public static ServerConnection? Find(IEnumerable<ConnectionTracker> trackers, string id) =>
        Walk(trackers).FirstOrDefault(connection => connection.Context.ConnectionId == id);

    public static IEnumerable<ServerConnection> Walk(IEnumerable<ConnectionTracker> trackers)
    {
        var some = new List<ServerConnection>();
        foreach (var tracker in trackers)
        {
            var end = int.MaxValue;
            do
            {
                some.Clear();
                end = tracker.AddSome(end, some);
                foreach (var connection in some)
                {
                    yield return connection;
                }
            }
            while (end > 0);
        }
    }

    public static ConnectionStage StageOf(ServerConnection connection) =>
        connection.IsClosing ? ConnectionStage.Closing
        : connection.Supervision.IsInHandshake ? ConnectionStage.Handshaking
        : ConnectionStage.Handling;

    public static ConnectionSnapshot Describe(ServerConnection connection, TimeProvider clock)
    {
        var supervision = connection.Supervision;
        return new ConnectionSnapshot
        {
            Id = connection.Context.ConnectionId,
            Endpoint = connection.Supervised.Name,
            RemoteEndPoint = connection.Context.RemoteEndPoint,
            LocalEndPoint = connection.Context.LocalEndPoint,
            Age = clock.GetElapsedTime(connection.StartedAt),
            Quiet = supervision.Quiet,
            Stage = StageOf(connection),
            IsCloseRequested = connection.IsCloseRequested,
            CloseReason = connection.Reason,
            BytesReceived = supervision.Counts?.BytesReceived,
            BytesSent = supervision.Counts?.BytesSent,
            UnreadBytes = supervision.Buffers?.UnreadBytes,
            UnsentBytes = supervision.Buffers?.UnsentBytes,
            Tcp = TcpOf(connection),
            Tls = TlsOf(supervision.Tls),
        };
    }

    /// <summary>What has more of it comes first.</summary>
    private static double KeyOf(ServerConnection connection, ConnectionOrder order) => order switch
    {
        ConnectionOrder.Bytes => connection.Supervision.Counts is { } counts ? counts.BytesReceived + counts.BytesSent : 0,
        ConnectionOrder.Stage => (double)StageOf(connection),
        ConnectionOrder.RoundTripTime => TcpOf(connection)?.RoundTripTime.Ticks ?? 0,
        ConnectionOrder.Buffered => connection.Supervision.BufferedBytes,
        ConnectionOrder.Quiet => connection.Supervision.Quiet?.Ticks ?? 0,
        _ => 0, // By age.
    };

    // The table of features is the connection's own; what counts its bytes is the transport, which tells this, too, if it can.
    private static TcpConnectionInfo? TcpOf(ServerConnection connection) =>
        connection.Supervision.Counts is IConnectionTcpInfoFeature tcp && tcp.TryGetTcpInfo(out var info) ? info : null;

    private static TlsSnapshot? TlsOf(ITlsConnectionFeature? tls) => tls is null ? null : new TlsSnapshot(
        (tls as ITlsHandshakeFeature)?.Protocol.ToString() ?? "",
        (tls as ITlsHandshakeFeature)?.NegotiatedCipherSuite?.ToString() ?? "",
        tls.HostName,
        tls.ApplicationProtocol.ToString());
}
