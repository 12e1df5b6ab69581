namespace Peregrine.Sockets.Connections;

/// <summary>Bounds of the graceful close. The values are nginx's: lingering_timeout and lingering_time.</summary>
internal sealed class CloseTimeouts
{
    /// <summary>How long unsent bytes may stay without progress after the handler is done.</summary>
    public TimeSpan SendProgress { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long the peer may say nothing, not even its FIN, after ours.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long, in all, the peer may go on sending after our FIN.</summary>
    public TimeSpan Total { get; init; } = TimeSpan.FromSeconds(30);
}
