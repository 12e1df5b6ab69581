using Peregrine.Top.Metrics;

namespace Peregrine.Top.Tests.Metrics;

public sealed class ServerMeasuresTests
{
    [Fact]
    public void Measurements_are_put_together_by_endpoint_and_reason()
    {
        var measures = new ServerMeasures(
        [
            Value("connections.active", 3, 0, ("peregrine.endpoint", "b")),
            Value("connections.active", 2, 0, ("peregrine.endpoint", "a")),
            Value("connections.accepted", 10, 4, ("peregrine.endpoint", "a")),
            Value("connections.rejected", 1, 1, ("peregrine.endpoint", "a"), ("peregrine.close.reason", "idle_timeout")),
            Value("connections.rejected", 1, 2, ("peregrine.endpoint", "a"), ("peregrine.close.reason", "slow_consumer")),
            Value("connection.read.bytes", 100, 50, ("peregrine.endpoint", "a")),
            Value("connection.duration", 2, 0, ("peregrine.endpoint", "a"), ("peregrine.close.reason", "peer_closed")),
            Value("connection.duration", 3, 0, ("peregrine.endpoint", "b"), ("peregrine.close.reason", "peer_closed")),
            Value("connection.duration", 9, 0, ("peregrine.endpoint", "b"), ("peregrine.close.reason", "peer_reset")),
            Value("connection.duration", 0, 0, ("peregrine.endpoint", "b"), ("peregrine.close.reason", "aborted")),
            Value("tcp.sockets", 0, 0, ("network.connection.state", "listen")),
            Value("tcp.sockets", 5, 0, ("network.connection.state", "established")),
            Value("pool.allocated", 1_000, 0),
            Value("pool.rented", 10, 0),
            Value("drain.remaining", 4, 0, ("peregrine.endpoint", "a"), ("peregrine.stage", "closing")),
        ]);
        Assert.True(measures.IsPeregrine);
        Assert.Equal([new EndpointMeasures("a", 2, 4, 3, 50, null), new EndpointMeasures("b", 3, 0, 0, 0, null)], measures.Endpoints);
        Assert.Equal([("peer_reset", 9L), ("peer_closed", 5L)], measures.CloseReasons);
        Assert.Equal([("established", 5L)], measures.Sockets);
        Assert.Equal((1_000d, 10d), measures.Pool);
        Assert.Equal([("a", "closing", 4L)], measures.Drain);
    }

    [Fact]
    public void What_is_not_measured_is_not_there()
    {
        var measures = new ServerMeasures([new MetricValue("http.requests", "", new Dictionary<string, string>(), 1, 1, new Dictionary<double, double>())]);
        Assert.False(measures.IsPeregrine);
        Assert.Empty(measures.Endpoints);
        Assert.Null(measures.Pool);
        Assert.Null(measures.Heartbeat);
    }

    internal static MetricValue Value(string name, double value, double rate, params (string Name, string Value)[] tags) =>
        new("peregrine.server." + name, "", tags.ToDictionary(tag => tag.Name, tag => tag.Value), value, rate, new Dictionary<double, double>());
}
