namespace Peregrine.LoadTest.Scenarios;

/// <summary>What the client does.</summary>
internal enum ScenarioKind
{
    Echo,
    Stream,
    Churn,
    Idle,
    Allocations,
    Ends,
}
