using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using System.Net.NetworkInformation;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Diagnostics;

/// <summary>
/// What the server is asked for by whoever collects measurements: nothing of it costs anything until then, and it is right also for who begins to
/// listen while connections are open.
/// </summary>
internal static class ObservedMetrics
{
    /// <param name="metrics">Those that are counted, whose meter and tags these share.</param>
    /// <param name="server">What is looked at.</param>
    public static void Create(ServerMetrics metrics, ObservedServer server)
    {
        var meter = metrics.Meter;
        meter.CreateObservableUpDownCounter(
            "peregrine.server.connections.active", () => OfEndpoints(endpoint => endpoint.Connections.Count), "{connection}",
            "Connections that are open, those that are closing included.");
        meter.CreateObservableCounter(
            "peregrine.server.connection.read.bytes", () => OfEndpoints(endpoint => endpoint.Connections.Traffic.ReadBytes), "By",
            "Bytes that were received.");
        meter.CreateObservableCounter(
            "peregrine.server.connection.write.bytes", () => OfEndpoints(endpoint => endpoint.Connections.Traffic.WrittenBytes), "By",
            "Bytes that the system took to send.");
        meter.CreateObservableCounter(
            "peregrine.server.backpressure.duration", () => OfEndpoints(endpoint => endpoint.Connections.Traffic.WaitedTime.TotalSeconds), "s",
            "How long flushed bytes have waited for the peers to take what is in front of them, the times of all connections added up.");
        meter.CreateObservableCounter(
            "peregrine.server.accept.queue.overflows",
            () => server.Endpoints().Where(endpoint => endpoint.DroppedConnections is not null)
                .Select(endpoint => new Measurement<long>(endpoint.DroppedConnections ?? 0, metrics.TagsOf(endpoint.Name))),
            "{connection}",
            "Attempts to connect that the system has dropped, because the queue of those to accept was full or memory was short.");
        meter.CreateObservableGauge(
            "peregrine.server.drain.remaining", () => server.Remaining().Select(OfRemaining), "{connection}",
            "Connections that the stop still waits for: those whose handlers are at work, and those that are closing.");
        meter.CreateObservableGauge(
            "peregrine.server.tcp.sockets", () => (server.Sockets() ?? ImmutableDictionary<TcpState, int>.Empty).Select(OfState), "{socket}",
            "Sockets of the server's ports in each TCP state, those of connections that are gone included.");
        meter.CreateObservableUpDownCounter(
            "peregrine.server.pool.allocated", () => OfPool(static pool => pool.AllocatedBytes), "By",
            "Address space of the buffer pool, which all servers of the process share; not all of it need be in memory.");
        meter.CreateObservableUpDownCounter(
            "peregrine.server.pool.rented", () => OfPool(static pool => pool.RentedBytes), "By", "Bytes of the buffer pool that are in use.");

        IEnumerable<Measurement<T>> OfEndpoints<T>(Func<RunningEndpoint, T> look)
            where T : struct
            => server.Endpoints().Select(endpoint => new Measurement<T>(look(endpoint), metrics.TagsOf(endpoint.Name)));

        Measurement<int> OfRemaining(RemainingConnections left)
        {
            var tags = metrics.TagsOf(left.Endpoint);
            tags.Add("peregrine.stage", left.IsClosing ? "closing" : "handling");
            return new Measurement<int>(left.Count, tags);
        }

        IEnumerable<Measurement<long>> OfPool(Func<PoolBytes, long> look) => server.Pool() is { } pool ? [new Measurement<long>(look(pool))] : [];
    }

    private static Measurement<int> OfState(KeyValuePair<TcpState, int> state) =>
        new(state.Value, new KeyValuePair<string, object?>("network.connection.state", TcpStateName.Of(state.Key)));
}

/// <summary>What there is to look at.</summary>
/// <param name="Endpoints">The endpoints; none before the start.</param>
/// <param name="Remaining">How many connections a stop still waits for, by endpoint and stage; empty while none is under way.</param>
/// <param name="Sockets">The TCP sockets of the server's ports by state; null where the system does not tell.</param>
/// <param name="Pool">The buffer pool; null where the transport is another.</param>
internal sealed record ObservedServer(
    Func<IReadOnlyList<RunningEndpoint>> Endpoints, Func<IEnumerable<RemainingConnections>> Remaining, Func<IReadOnlyDictionary<TcpState, int>?> Sockets,
    Func<PoolBytes?> Pool);

/// <summary>What a stop waits for.</summary>
/// <param name="Endpoint">The endpoint's name.</param>
/// <param name="IsClosing">Their handlers are done, and they are closing.</param>
/// <param name="Count">How many connections.</param>
internal readonly record struct RemainingConnections(string Endpoint, bool IsClosing, int Count);

/// <summary>What the buffer pool has taken of the system, and what of it is in use.</summary>
internal readonly record struct PoolBytes(long AllocatedBytes, long RentedBytes);
