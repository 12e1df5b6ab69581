using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Peregrine.Features;

namespace Peregrine.Server.Diagnostics;

/// <summary>
/// What the server counts and times as it happens, with the meter <c>Peregrine.Server</c>. What is looked at only when somebody asks is in
/// <see cref="ObservedMetrics"/>.
/// </summary>
/// <remarks>Listeners are called here, and what they throw is theirs.</remarks>
internal sealed class ServerMetrics
{
    public const string MeterName = "Peregrine.Server";

    // From one exchange to connections that stay for a day.
    private static readonly InstrumentAdvice<double> s_connectionBuckets = new()
    {
        HistogramBucketBoundaries = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400],
    };

    // From a few connections to the second in which the next beat is due.
    private static readonly InstrumentAdvice<double> s_heartbeatBuckets = new()
    {
        HistogramBucketBoundaries = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
    };

    // What carries the bytes of each endpoint. An endpoint that is not known has no such tag.
    private readonly ConcurrentDictionary<string, string> _transports = new(StringComparer.OrdinalIgnoreCase);
    private readonly Counter<long> _accepted;
    private readonly EndedConnections _ended;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _unflushed;
    private readonly Counter<long> _acceptErrors;
    private readonly Histogram<double> _heartbeat;

    /// <param name="meters">Makes the meter.</param>
    public ServerMetrics(IMeterFactory meters)
    {
        Meter = meters.Create(MeterName);
        _accepted = Meter.CreateCounter<long>("peregrine.server.connections.accepted", "{connection}", "Connections that were accepted and not refused.");
        _ended = new EndedConnections(Meter);
        _duration = Meter.CreateHistogram<double>(
            "peregrine.server.connection.duration", "s", "How long connections were open, by the reason of their end.", tags: null, s_connectionBuckets);
        _unflushed = Meter.CreateCounter<long>(
            "peregrine.server.connections.aborted_unflushed", "{connection}", "Connections that were reset before their peers had everything that was written.");
        _acceptErrors = Meter.CreateCounter<long>("peregrine.server.accept.errors", "{error}", "Errors of accepting, by their type; it is tried again.");
        _heartbeat = Meter.CreateHistogram<double>(
            "peregrine.server.heartbeat.duration", "s", "How long the look at every connection took, once a second.", tags: null, s_heartbeatBuckets);
    }

    public Meter Meter { get; }

    /// <summary>Somebody listens to how long connections last: asked once at the start of each.</summary>
    public bool IsDurationEnabled => _duration.Enabled;

    /// <summary>Before anything is counted for it.</summary>
    public void AddEndpoint(string endpoint, string transport) => _transports[endpoint] = transport;

    /// <summary>The tags that everything of an endpoint has.</summary>
    public TagList TagsOf(string endpoint)
    {
        var tags = new TagList { { "peregrine.endpoint", endpoint } };
        if (_transports.TryGetValue(endpoint, out var transport))
        {
            tags.Add("network.transport", transport);
        }

        return tags;
    }

    public void Accepted(string endpoint)
    {
        if (_accepted.Enabled)
        {
            Add(_accepted, TagsOf(endpoint));
        }
    }

    /// <summary>A connection that was refused, or that a timeout or a limit has ended.</summary>
    public void Rejected(string endpoint, ConnectionCloseReason reason) => _ended.Count(reason, TagsOf(endpoint));

    public void ConnectionEnded(string endpoint, ConnectionCloseReason reason, TimeSpan? duration, bool isUnflushed)
    {
        if (duration is { } lasted)
        {
            var tags = TagsOf(endpoint);
            tags.Add("peregrine.close.reason", CloseReasonName.Of(reason));
            Record(_duration, lasted, tags);
        }

        if (isUnflushed)
        {
            Add(_unflushed, TagsOf(endpoint));
        }
    }

    /// <param name="endpoint">The endpoint's name.</param>
    /// <param name="type">The kind of the error.</param>
    public void AcceptFailed(string endpoint, string type)
    {
        if (_acceptErrors.Enabled)
        {
            var tags = TagsOf(endpoint);
            tags.Add("error.type", type);
            Add(_acceptErrors, tags);
        }
    }

    public void HeartbeatEnded(TimeSpan duration) => Record(_heartbeat, duration, []);

    private static void Record(Histogram<double> histogram, TimeSpan duration, in TagList tags)
    {
        try
        {
            histogram.Record(duration.TotalSeconds, tags);
        }
        catch (Exception)
        {
            // See above.
        }
    }

    private static void Add(Counter<long> counter, in TagList tags)
    {
        try
        {
            counter.Add(1, tags);
        }
        catch (Exception)
        {
            // See above.
        }
    }
}
