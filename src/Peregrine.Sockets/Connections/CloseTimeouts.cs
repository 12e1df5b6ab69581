namespace Peregrine.Sockets.Connections;

/// <summary>Bounds of the graceful close. The times of the discarding half are nginx's: lingering_timeout and lingering_time.</summary>
internal sealed class CloseTimeouts
{
    /// <summary>How long unsent bytes may stay without progress after the handler is done.</summary>
    public TimeSpan SendProgress { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long the peer may say nothing, not even its FIN, after ours.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long, in all, the peer may go on sending after our FIN.</summary>
    public TimeSpan Total { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How much the peer may send after our FIN before the socket is released all the same, and the peer gets a reset.</summary>
    public long DiscardLimitInBytes { get; init; } = 64 * 1024 * 1024;
}
