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
    DatagramSink,
    DatagramStream,
    DatagramAllocations,
}
