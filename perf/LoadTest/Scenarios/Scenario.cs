using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Driving;
using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Scenarios;

/// <summary>One thing that is measured.</summary>
/// <param name="Name">Its name on the command line, and of its plot.</param>
/// <param name="Kind">What the client does.</param>
/// <param name="Load">How much of it.</param>
/// <param name="Description">One line for the report.</param>
/// <param name="Metrics">The columns of its table; the first is plotted.</param>
internal sealed record Scenario(string Name, ScenarioKind Kind, Load Load, string Description, IReadOnlyList<Metric> Metrics)
{
    private const string Trains =
        "The client's kernel takes what a client sends together in one piece (UDP_SEGMENT) and may give answers so (UDP_GRO), and it leaves 30 µs between receives, as a network card does for another machine; a server gets pieces only if it asks for them.";

    private static readonly Metric[] OfEcho =
        [Metric.MessagesPerSecond, Metric.P50, Metric.P99, Metric.P999, Metric.CpuPerMessage, Metric.ServerCore, Metric.ClientCore];

    private static readonly Metric[] OfHandshakes =
        [Metric.ConnectionsPerSecond, Metric.P50, Metric.P99, Metric.CpuPerConnection, Metric.ServerCore, Metric.ClientCore, Metric.Resumed];

    private static readonly Metric[] OfDatagramEcho =
        [Metric.DatagramsPerSecond, Metric.P50, Metric.P99, Metric.P999, Metric.Lost, Metric.CpuPerDatagram, Metric.ServerCore, Metric.ClientCore];

    public static readonly IReadOnlyList<Scenario> All =
    [
        Echo("pingpong", new Load(64, 1, 64), "Small messages, one at a time on each connection."),
        Echo("pipelined", new Load(64, 16, 64), "Small messages, many at a time on each connection."),
        Echo("bulk", new Load(16, 1, 16 * 1024), "Large messages."),
        new("stream", ScenarioKind.Stream, new Load(1, 1, 64 * 1024),
            "One connection, blocks one way from client to server; the server counts, and its count is compared at the end.",
            [Metric.MebibytesPerSecond, Metric.CpuPerMebibyte, Metric.ServerCore, Metric.ClientCore]),
        Echo("single", new Load(1, 1, 64), "One connection alone: nothing hides the latency."),
        Echo("many", new Load(2_000, 1, 64), "Small messages on many connections."),
        new("churn", ScenarioKind.Churn, new Load(64, 1, 64),
            "Connect, one echo, FIN from the client, FIN from the server; the latency is that of all of it.",
            [Metric.ConnectionsPerSecond, Metric.P50, Metric.P99, Metric.CpuPerConnection, Metric.ServerCore, Metric.ClientCore]),
        Echo("tls-pingpong", new Load(64, 1, 64, Tls: true), "Small messages, encrypted, one at a time on each connection."),
        Echo("tls-bulk", new Load(16, 1, 16 * 1024, Tls: true), "Large messages, encrypted."),
        new("tls-handshakes", ScenarioKind.Churn, new Load(64, 1, 64, Tls: true),
            "Connect, a full TLS handshake (the client never offers a ticket), one echo, both ends; the latency is that of all of it.", OfHandshakes),
        new("tls-resumptions", ScenarioKind.Resumption, new Load(64, 1, 64, Tls: true),
            "The same, and the client offers the ticket of a connection that has ended.", OfHandshakes),
        new("tls-allocations", ScenarioKind.Allocations, new Load(64, 1, 64, Tls: true),
            "Allocated bytes for an encrypted message, those of SslStream included.", [Metric.BytesPerMessage]),
        new("idle", ScenarioKind.Idle, new Load(10_000, 1, 64),
            "Connections that spoke once and wait, in a fresh process: its growth for each, and its CPU time, watched for twice the measured time.",
            [Metric.KibibytesPerConnection, Metric.IdleCpu]),
        new("allocations", ScenarioKind.Allocations, new Load(64, 1, 64),
            "Bytes that the server allocates on the managed heap for a message, in a fresh process after the warm-up.", [Metric.BytesPerMessage]),
        new("ends", ScenarioKind.Ends, new Load(16, 1, AnswerHandler.SizeInBytes),
            "5,000 answers of 1 MB, each followed by the server's close, to clients that send 4 more bytes after an answer began: what arrives cut off.",
            [Metric.Truncated, Metric.Reset]),
        Broadcast(100),
        Broadcast(1_000),
        DatagramEcho("udp-pingpong", ScenarioKind.DatagramEcho, new Load(16, 1, 64), "Small datagrams, one at a time from each client."),
        DatagramEcho("udp-pipelined", ScenarioKind.DatagramTrains, new Load(16, 16, 64), $"Small datagrams, many at a time from each client. {Trains}"),
        DatagramEcho("udp-pipelined-separate", ScenarioKind.DatagramEcho, new Load(16, 16, 64),
            "The same, and the client's kernel takes and gives each datagram by itself: the client may be the limit."),
        DatagramEcho("udp-1k", ScenarioKind.DatagramTrains, new Load(64, 16, 1_024), $"Larger datagrams of many clients. {Trains}"),
        new("udp-sink", ScenarioKind.DatagramSink, new Load(16, 64, 64),
            "Datagrams one way, from clients that nothing holds back. Those that are received are those that the kernel did not drop for want of room; with what it dropped they are what was sent, exactly.",
            [Metric.ReceivedPerSecond, Metric.Lost, Metric.CpuPerDatagram, Metric.ServerCore, Metric.ClientCore]),
        new("udp-stream", ScenarioKind.DatagramStream, new Load(1, 16, SourceRequest.AnswerSizeInBytes),
            "Datagrams one way, from the server, 64 for each request of a client that takes segments in one piece (UDP_GRO).",
            [Metric.DatagramsPerSecond, Metric.MegabytesPerSecond, Metric.Lost, Metric.CpuPerDatagram, Metric.ServerCore, Metric.ClientCore]),
        new("udp-allocations", ScenarioKind.DatagramAllocations, new Load(16, 16, 64),
            "Bytes that the server allocates on the managed heap for a datagram and its answer, in a fresh process after the warm-up.", [Metric.BytesPerMessage]),
    ];

    public static string Names => string.Join(", ", All.Select(scenario => scenario.Name));

    public Service Service => Kind switch
    {
        ScenarioKind.Stream or ScenarioKind.DatagramSink => Service.Sink,
        ScenarioKind.DatagramStream => Service.Source,
        ScenarioKind.Ends => Service.Answer,
        ScenarioKind.Broadcast => Service.Broadcast,
        _ => Service.Echo,
    };

    /// <summary>Whether it is about datagrams, not about connections.</summary>
    public bool IsDatagram => Kind is ScenarioKind.DatagramEcho or ScenarioKind.DatagramTrains
        or ScenarioKind.DatagramSink or ScenarioKind.DatagramStream or ScenarioKind.DatagramAllocations;

    /// <summary>The contestant that the others are compared with.</summary>
    public string Reference => IsDatagram ? Contestant.DatagramReference : Contestant.Reference;

    /// <summary>The contestants that none can beat by much.</summary>
    public IReadOnlyList<string> Limits => IsDatagram ? [Contestant.DatagramLimit, Contestant.SegmentLimit] : [Contestant.Limit];

    /// <summary>The load in words.</summary>
    public string LoadInWords => Load.Describe(IsDatagram ? "client" : "connection");

    /// <summary>Whether what earlier rounds left in a process would be measured with it.</summary>
    public bool NeedsFreshServer => Kind is ScenarioKind.Idle or ScenarioKind.Allocations or ScenarioKind.DatagramAllocations;

    /// <summary>Why there is nothing to measure of a contestant, to follow its name; null if there is.</summary>
    public string? ReasonToLeaveOut(Contestant contestant) => (contestant.Tls, Kind) switch
    {
        _ when IsDatagram && !contestant.IsDatagram => "it serves no datagrams",
        _ when !IsDatagram && contestant.IsDatagram => "it serves nothing but datagrams",
        (TlsSupport.None, _) when Load.Tls => "it does not serve TLS",
        (TlsSupport.Only, _) when !Load.Tls => "it serves nothing but TLS",
        (_, ScenarioKind.Allocations or ScenarioKind.DatagramAllocations) when !contestant.IsManaged => "it has no managed heap",
        (_, ScenarioKind.Ends) when !contestant.TakesHandlers => "it does not serve answers",
        (_, ScenarioKind.Broadcast) when !contestant.TakesHandlers && contestant.Name != Contestant.Limit => "it does not broadcast",
        _ => null,
    };

    public static Scenario Echo(string name, Load load, string description) => new(name, ScenarioKind.Echo, load, description, OfEcho);

    private static Scenario DatagramEcho(string name, ScenarioKind kind, Load load, string description) => new(name, kind, load, description, OfDatagramEcho);

    private static Scenario Broadcast(int receivers) => new(
        $"broadcast-{receivers}", ScenarioKind.Broadcast, new Load(receivers, 16, 32),
        $"Messages of one more connection, each to {receivers:N0} receivers; the next goes when all have the one before the window. A receiver that is slow would be skipped, and the run fails: none is.",
        [Metric.DeliveriesPerSecond, Metric.P50, Metric.P99, Metric.CpuPerDelivery, Metric.ServerCore, Metric.ClientCore]);

    public static Scenario? Find(string name) => All.FirstOrDefault(scenario => scenario.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
}
