using System.Collections.Immutable;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net.NetworkInformation;
using Peregrine.Features;

namespace Peregrine.Server.Diagnostics;

/// <summary>Every instrument of the meter <c>Peregrine.Server</c>, but for those of middleware.</summary>
internal sealed class ServerMetrics
{
    public const string MeterName = "Peregrine.Server";

    private readonly Histogram<double> _duration;
    private readonly Counter<long> _unflushed;
    private readonly Counter<long> _accepted;
    private readonly Counter<long> _rejected;
    private readonly Counter<long> _acceptErrors;
    private readonly Histogram<double> _heartbeat;

    /// <param name="meters">Makes the meter.</param>
    /// <param name="active">How many connections each endpoint has.</param>
    /// <param name="remaining">How many connections a stop still waits for, by endpoint and stage; empty while none is under way.</param>
    /// <param name="sockets">The TCP sockets of the server's ports by state; null where the system does not tell.</param>
    public ServerMetrics(
        IMeterFactory meters, Func<IEnumerable<(string Endpoint, int Count)>> active, Func<IEnumerable<RemainingConnections>> remaining,
        Func<IReadOnlyDictionary<TcpState, int>?> sockets)
    {
        var meter = meters.Create(MeterName);

        // Observed, not counted up and down: so it is right also for who begins to listen while connections are open.
        meter.CreateObservableUpDownCounter(
            "peregrine.server.connections.active",
            () => active().Select(static endpoint => new Measurement<int>(endpoint.Count, new KeyValuePair<string, object?>("peregrine.endpoint", endpoint.Endpoint))),
            "{connection}",
            "Connections that are open, those that are closing included.");
        _accepted = meter.CreateCounter<long>("peregrine.server.connections.accepted", "{connection}", "Connections that were accepted and not refused.");
        _rejected = meter.CreateCounter<long>(
            "peregrine.server.connections.rejected", "{connection}", "Connections that were refused, or ended by a timeout or a limit, by the reason.");
        _acceptErrors = meter.CreateCounter<long>("peregrine.server.accept.errors", "{error}", "Errors of accepting, by their type; it is tried again.");
        _duration = meter.CreateHistogram<double>(
            "peregrine.server.connection.duration", "s", "How long connections were open, by the reason of their end.");
        _unflushed = meter.CreateCounter<long>(
            "peregrine.server.connections.aborted_unflushed", "{connection}", "Connections that were reset before their peers had everything that was written.");
        _heartbeat = meter.CreateHistogram<double>(
            "peregrine.server.heartbeat.duration", "s", "How long the look at every connection took, once a second.");
        meter.CreateObservableGauge(
            "peregrine.server.drain.remaining",
            () => remaining().Select(static left => new Measurement<int>(
                left.Count, new("peregrine.endpoint", left.Endpoint), new("peregrine.stage", left.IsClosing ? "closing" : "handling"))),
            "{connection}",
            "Connections that the stop still waits for: those whose handlers are at work, and those that are closing.");
        meter.CreateObservableGauge(
            "peregrine.server.tcp.sockets",
            () => (sockets() ?? ImmutableDictionary<TcpState, int>.Empty).Select(
                static state => new Measurement<int>(state.Value, new KeyValuePair<string, object?>("network.connection.state", NameOf(state.Key)))),
            "{socket}",
            "Sockets of the server's ports in each TCP state, those of connections that are gone included.");
    }

    /// <summary>Somebody listens to how long connections last: asked once at the start of each.</summary>
    public bool IsDurationEnabled => _duration.Enabled;

    public void ConnectionEnded(string endpoint, ConnectionCloseReason reason, TimeSpan? duration, bool isUnflushed)
    {
        if (duration is { } lasted)
        {
            Record(lasted, endpoint, reason);
        }

        if (isUnflushed)
        {
            Add(_unflushed, endpoint);
        }
    }

    public void Accepted(string endpoint)
    {
        if (_accepted.Enabled)
        {
            Add(_accepted, endpoint);
        }
    }

    public void Rejected(string endpoint, ConnectionCloseReason reason)
    {
        if (_rejected.Enabled)
        {
            Add(_rejected, endpoint, new("peregrine.close.reason", NameOf(reason)));
        }
    }

    /// <param name="endpoint">The endpoint's name.</param>
    /// <param name="type">The kind of the error.</param>
    public void AcceptFailed(string endpoint, string type)
    {
        if (_acceptErrors.Enabled)
        {
            Add(_acceptErrors, endpoint, new("error.type", type));
        }
    }

    private void Record(TimeSpan duration, string endpoint, ConnectionCloseReason reason)
    {
        try
        {
            _duration.Record(duration.TotalSeconds, new("peregrine.endpoint", endpoint), new("peregrine.close.reason", NameOf(reason)));
        }
        catch (Exception)
        {
            // As below.
        }
    }

    private static void Add(Counter<long> counter, string endpoint, KeyValuePair<string, object?> tag = default)
    {
        try
        {
            if (tag.Key is null)
            {
                counter.Add(1, new KeyValuePair<string, object?>("peregrine.endpoint", endpoint));
            }
            else
            {
                counter.Add(1, new("peregrine.endpoint", endpoint), tag);
            }
        }
        catch (Exception)
        {
            // Listeners are called here, and what they throw is theirs.
        }
    }

    public void HeartbeatEnded(TimeSpan duration)
    {
        try
        {
            _heartbeat.Record(duration.TotalSeconds);
        }
        catch (Exception)
        {
            // As above.
        }
    }

    // The names of OpenTelemetry's semantic conventions for network.connection.state.
    private static string NameOf(TcpState state) => state switch
    {
        TcpState.Closed => "closed",
        TcpState.Listen => "listen",
        TcpState.SynSent => "syn_sent",
        TcpState.SynReceived => "syn_received",
        TcpState.Established => "established",
        TcpState.FinWait1 => "fin_wait_1",
        TcpState.FinWait2 => "fin_wait_2",
        TcpState.CloseWait => "close_wait",
        TcpState.Closing => "closing",
        TcpState.LastAck => "last_ack",
        TcpState.TimeWait => "time_wait",
        _ => "unknown",
    };

    private static string NameOf(ConnectionCloseReason reason) => reason switch
    {
        ConnectionCloseReason.None => "none",
        ConnectionCloseReason.PeerClosed => "peer_closed",
        ConnectionCloseReason.PeerReset => "peer_reset",
        ConnectionCloseReason.HandlerCompleted => "handler_completed",
        ConnectionCloseReason.HandlerFailed => "handler_failed",
        ConnectionCloseReason.ServerStopping => "server_stopping",
        ConnectionCloseReason.DrainDeadline => "drain_deadline",
        ConnectionCloseReason.Aborted => "aborted",
        ConnectionCloseReason.IoError => "io_error",
        ConnectionCloseReason.FirstByteTimeout => "first_byte_timeout",
        ConnectionCloseReason.HandshakeTimeout => "handshake_timeout",
        ConnectionCloseReason.HandshakeFailed => "handshake_failed",
        ConnectionCloseReason.IdleTimeout => "idle_timeout",
        ConnectionCloseReason.WriteTimeout => "write_timeout",
        ConnectionCloseReason.ReadRateTimeout => "read_rate_timeout",
        ConnectionCloseReason.SlowConsumer => "slow_consumer",
        ConnectionCloseReason.UnreadLimit => "unread_limit",
        ConnectionCloseReason.BufferLimit => "buffer_limit",
        ConnectionCloseReason.RejectedAddress => "rejected_address",
        ConnectionCloseReason.RejectedConnectionsPerAddress => "rejected_connections_per_address",
        ConnectionCloseReason.RejectedConnectionRate => "rejected_connection_rate",
        ConnectionCloseReason.RejectedConcurrency => "rejected_concurrency",
        ConnectionCloseReason.CloseRequested => "close_requested",
        _ => throw new UnreachableException(),
    };
}

/// <summary>What a stop waits for.</summary>
/// <param name="Endpoint">The endpoint's name.</param>
/// <param name="IsClosing">Their handlers are done, and they are closing.</param>
/// <param name="Count">How many connections.</param>
internal readonly record struct RemainingConnections(string Endpoint, bool IsClosing, int Count);
