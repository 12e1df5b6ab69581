namespace Peregrine.Server;

/// <summary>What a server is doing; it only goes forward.</summary>
public enum ServerState
{
    /// <summary>It does not accept yet, or its start has failed.</summary>
    Starting = 0,

    /// <summary>It accepts connections.</summary>
    Running,

    /// <summary>A stop has begun: it still accepts, and should be given no new clients (<see cref="PeregrineOptions.DrainDelay"/>).</summary>
    Draining,

    /// <summary>It accepts no more, and its connections are being ended.</summary>
    Stopping,

    /// <summary>Its connections are gone.</summary>
    Stopped,
}
