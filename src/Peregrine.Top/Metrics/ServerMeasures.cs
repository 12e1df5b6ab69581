namespace Peregrine.Top.Metrics;

/// <summary>What the metrics of a server say, by the names of its meter <c>Peregrine.Server</c>. What it does not measure is not there.</summary>
internal sealed class ServerMeasures
{
    public const string Meter = "Peregrine.Server";

    private const string Prefix = "peregrine.server.";
    private const string Endpoint = "peregrine.endpoint";
    private const string Reason = "peregrine.close.reason";
    private const string Stage = "peregrine.stage";
    private const string State = "network.connection.state";

    private readonly IReadOnlyList<MetricValue> _values;

    public ServerMeasures(IReadOnlyList<MetricValue> values) => _values = values;

    /// <summary>A server of Peregrine that runs has at least this.</summary>
    public bool IsPeregrine => _values.Any(static value => value.Instrument.StartsWith(Prefix, StringComparison.Ordinal));

    /// <summary>Endpoints, by their names.</summary>
    public IReadOnlyList<EndpointMeasures> Endpoints =>
    [
        .. Of("connections.active").Select(static value => value.Tag(Endpoint)).Distinct().Order(StringComparer.Ordinal).Select(name => new EndpointMeasures(
            name,
            (long)Sum("connections.active", name),
            Rate("connections.accepted", name),
            Rate("connections.rejected", name),
            Has("connection.read.bytes") ? Rate("connection.read.bytes", name) : null,
            Has("connection.write.bytes") ? Rate("connection.write.bytes", name) : null)),
    ];

    /// <summary>How many connections have ended for each reason since the tool is attached, most first.</summary>
    public IReadOnlyList<(string Reason, long Count)> CloseReasons =>
    [
        .. Of("connection.duration").GroupBy(static value => value.Tag(Reason), static (reason, those) => (reason, (long)those.Sum(static value => value.Value)))
            .Where(static ended => ended.Item2 > 0).OrderByDescending(static ended => ended.Item2).ThenBy(static ended => ended.reason, StringComparer.Ordinal),
    ];

    /// <summary>Sockets of the server's ports by TCP state, those that there are.</summary>
    public IReadOnlyList<(string State, long Count)> Sockets =>
        [.. Of("tcp.sockets").Where(static value => value.Value > 0).Select(static value => (value.Tag(State), (long)value.Value)).OrderBy(static state => state.Item1, StringComparer.Ordinal)];

    /// <summary>What a stop waits for; empty while none is under way.</summary>
    public IReadOnlyList<(string Endpoint, string Stage, long Count)> Drain =>
        [.. Of("drain.remaining").Select(static value => (value.Tag(Endpoint), value.Tag(Stage), (long)value.Value)).Order()];

    /// <summary>Bytes that the pool has of the system, and those of them that are in use; null where it is not measured.</summary>
    public (double Allocated, double Rented)? Pool => Has("pool.allocated") ? (Sum("pool.allocated"), Sum("pool.rented")) : null;

    /// <summary>How long the look at all connections took lately, 99 of 100 times at most, in seconds.</summary>
    public double? Heartbeat => Of("heartbeat.duration").Select(static value => value.Quantiles).FirstOrDefault() is { } quantiles
        && quantiles.TryGetValue(0.99, out var longest) ? longest : null;

    /// <summary>Where the admin socket is, if it is on.</summary>
    public static string? AdminSocket(IEnumerable<MetricValue> values) =>
        values.FirstOrDefault(static value => value.Instrument == Server.Admin.Protocol.AdminProtocol.SocketInstrument)
            ?.Tag(Server.Admin.Protocol.AdminProtocol.PathTag) is { Length: > 0 } path ? path : null;

    private bool Has(string name) => Of(name).Any();

    private IEnumerable<MetricValue> Of(string name) => _values.Where(value => value.Instrument.AsSpan().StartsWith(Prefix) && value.Instrument.AsSpan(Prefix.Length).SequenceEqual(name));

    private double Sum(string name, string? endpoint = null) =>
        Of(name).Where(value => endpoint is null || value.Tag(Endpoint) == endpoint).Sum(static value => value.Value);

    private double Rate(string name, string endpoint) => Of(name).Where(value => value.Tag(Endpoint) == endpoint).Sum(static value => value.Rate);
}

/// <summary>An endpoint. Rates are of the last interval; null where it is not measured.</summary>
internal sealed record EndpointMeasures(string Name, long Connections, double Accepted, double Rejected, double? Received, double? Sent);
