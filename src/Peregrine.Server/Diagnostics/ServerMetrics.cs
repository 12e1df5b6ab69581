using System.Collections.Immutable;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net.NetworkInformation;
using Peregrine.Features;

namespace Peregrine.Server.Diagnostics;

/// <summary>Every instrument of the meter <c>Peregrine.Server</c>.</summary>
internal sealed class ServerMetrics
{
    public const string MeterName = "Peregrine.Server";

    private readonly Histogram<double> _duration;
    private readonly Counter<long> _unflushed;
    private readonly Counter<long> _rejected;
    private readonly Histogram<double> _heartbeat;

    /// <param name="meters">Makes the meter.</param>
    /// <param name="remaining">How many connections a stop still waits for, by endpoint and stage; empty while none is under way.</param>
    /// <param name="sockets">The TCP sockets of the server's ports by state; null where the system does not tell.</param>
    public ServerMetrics(IMeterFactory meters, Func<IEnumerable<RemainingConnections>> remaining, Func<IReadOnlyDictionary<TcpState, int>?> sockets)
    {
        var meter = meters.Create(MeterName);
        _duration = meter.CreateHistogram<double>(
            "peregrine.server.connection.duration", "s", "How long connections were open, by the reason of their end.");
        _unflushed = meter.CreateCounter<long>(
            "peregrine.server.connections.aborted_unflushed", "{connection}", "Connections that were reset before their peers had everything that was written.");
        _rejected = meter.CreateCounter<long>(
            "peregrine.server.connections.rejected", "{connection}", "Connections that a timeout or a limit has ended, by the reason.");
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
            _duration.Record(lasted.TotalSeconds, new("peregrine.endpoint", endpoint), new("peregrine.close.reason", NameOf(reason)));
        }

        if (isUnflushed)
        {
            _unflushed.Add(1, new KeyValuePair<string, object?>("peregrine.endpoint", endpoint));
        }
    }

    public void Rejected(string endpoint, ConnectionCloseReason reason) =>
        _rejected.Add(1, new("peregrine.endpoint", endpoint), new("peregrine.close.reason", NameOf(reason)));

    public void HeartbeatEnded(TimeSpan duration) => _heartbeat.Record(duration.TotalSeconds);

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
        ConnectionCloseReason.IdleTimeout => "idle_timeout",
        ConnectionCloseReason.WriteTimeout => "write_timeout",
        ConnectionCloseReason.ReadRateTimeout => "read_rate_timeout",
        ConnectionCloseReason.SlowConsumer => "slow_consumer",
        ConnectionCloseReason.BufferLimit => "buffer_limit",
        ConnectionCloseReason.RejectedAddress => "rejected_address",
        ConnectionCloseReason.RejectedConnectionsPerAddress => "rejected_connections_per_address",
        ConnectionCloseReason.RejectedConnectionRate => "rejected_connection_rate",
        _ => throw new UnreachableException(),
    };
}

/// <summary>What a stop waits for.</summary>
/// <param name="Endpoint">The endpoint's name.</param>
/// <param name="IsClosing">Their handlers are done, and they are closing.</param>
/// <param name="Count">How many connections.</param>
internal readonly record struct RemainingConnections(string Endpoint, bool IsClosing, int Count);
