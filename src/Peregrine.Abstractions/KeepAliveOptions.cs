namespace Peregrine;

/// <summary>
/// The kernel's probes of connections on which nothing is sent (SO_KEEPALIVE, tcp(7)): a peer that is gone without a FIN is found out. They are
/// on if any option is set, and what is not set is the system's. Off by default: they tell that the peer's kernel lives and not that its
/// application does, and they keep mobile devices awake.
/// </summary>
public sealed class KeepAliveOptions
{
    /// <summary>
    /// How long nothing may be sent or received before the first probe (TCP_KEEPIDLE). Default <see langword="null"/>: the system's, on Linux
    /// two hours. Whole seconds, from 1 to 32,767.
    /// </summary>
    public TimeSpan? Time { get; set; }

    /// <summary>
    /// The time between probes that are not answered (TCP_KEEPINTVL). Default <see langword="null"/>: the system's, on Linux 75 seconds. Whole
    /// seconds, from 1 to 32,767.
    /// </summary>
    public TimeSpan? Interval { get; set; }

    /// <summary>
    /// After how many probes that are not answered the connection is ended (TCP_KEEPCNT). Default <see langword="null"/>: the system's, on
    /// Linux 9. From 1 to 127.
    /// </summary>
    public int? Count { get; set; }
}
