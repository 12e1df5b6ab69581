namespace Peregrine.Server.Endpoints;

/// <summary>An endpoint that is bound, of connections or of datagrams.</summary>
internal interface IRunningEndpoint
{
    string Name { get; }

    bool IsSuspended { get; }

    /// <summary>Why it takes no clients, as a sentence; null if it does.</summary>
    string? NotReady { get; }

    /// <summary>What of it is gone for good, as a sentence; null if nothing is.</summary>
    string? Gone { get; }

    /// <summary>Zero for datagrams.</summary>
    int ConnectionCount { get; }

    /// <summary>What a datagram endpoint counts; null for one of connections.</summary>
    DatagramCounters? Datagrams { get; }

    Task SuspendAsync(CancellationToken cancellationToken);

    Task ResumeAsync(CancellationToken cancellationToken);

    Task WaitForConnectionsAsync(int atMost, CancellationToken cancellationToken);
}
