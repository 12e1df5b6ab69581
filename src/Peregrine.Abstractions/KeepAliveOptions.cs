namespace Peregrine;

/// <summary>
/// The kernel's probes of TCP connections on which nothing is sent (SO_KEEPALIVE, tcp(7)): a peer that is gone without a FIN is found out, also while
/// nobody reads or writes. On by default, it is found out three minutes after its last packet. The kernel sends and answers them, and they cost the
/// process nothing. They tell that the peer's kernel lives, and not that its application does.
/// </summary>
/// <remarks>Where something is sent, acknowledgements are awaited instead, for the time of <c>WriteProgress</c> on a server.</remarks>
public sealed class KeepAliveOptions
{
    /// <summary>
    /// How long nothing may be sent or received before the first probe (TCP_KEEPIDLE). Default <see langword="null"/>: two minutes. Whole seconds, to
    /// 32,767. <see cref="TimeSpan.Zero"/> turns the probes off, for devices that they would keep awake; the others have no effect then.
    /// </summary>
    public TimeSpan? Time { get; set; }

    /// <summary>
    /// The time between probes that are not answered (TCP_KEEPINTVL). Default <see langword="null"/>: 15 seconds. Whole seconds, from 1 to 32,767.
    /// </summary>
    public TimeSpan? Interval { get; set; }

    /// <summary>
    /// After how many probes that are not answered the connection is ended (TCP_KEEPCNT). Default <see langword="null"/>: 4. From 1 to 127.
    /// </summary>
    public int? Count { get; set; }
}
