namespace Peregrine.Server.Endpoints;

/// <summary>An endpoint that is bound, of connections or of datagrams.</summary>
internal interface IRunningEndpoint
{
    string Name { get; }

    bool IsSuspended { get; }

    /// <summary>Zero for datagrams.</summary>
    int ConnectionCount { get; }

    /// <summary>What a datagram endpoint counts; null for one of connections.</summary>
    DatagramCounters? Datagrams { get; }

    Task SuspendAsync(CancellationToken cancellationToken);

    Task ResumeAsync(CancellationToken cancellationToken);

    Task WaitForConnectionsAsync(int atMost, CancellationToken cancellationToken);
}
