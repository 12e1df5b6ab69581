namespace Peregrine.LoadTest.Scenarios;

/// <summary>What the client does.</summary>
internal enum ScenarioKind
{
    Echo,
    Stream,
    Churn,

    /// <summary>The same, and each TLS handshake after the first ones is an abbreviated one.</summary>
    Resumption,

    Idle,
    Allocations,
    Ends,
    Broadcast,
    DatagramEcho,

    /// <summary>The same, and the client's kernel takes what one peer sends together in one piece (UDP_SEGMENT), and gives what comes in one (UDP_GRO).</summary>
    DatagramTrains,

    DatagramSink,
    DatagramStream,
    DatagramAllocations,
}
