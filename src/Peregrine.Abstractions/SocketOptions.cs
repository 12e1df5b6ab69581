namespace Peregrine;

/// <summary>Options of the sockets of an endpoint or a transport: those that listen, those that are accepted and those that connect.</summary>
/// <remarks>
/// An option that is set and that the platform or the address does not have fails the start by its name; so does one that the kernel refuses.
/// A Unix domain socket has <see cref="SendBufferSizeInBytes"/> and nothing else of it.
/// </remarks>
public sealed class SocketOptions
{
    /// <summary>
    /// Whether small segments are sent at once (TCP_NODELAY, tcp(7)) instead of being held back until earlier ones are acknowledged.
    /// Default <see langword="true"/>.
    /// </summary>
    public bool NoDelay { get; set; } = true;

    /// <summary>Probes of connections on which nothing is sent. Off unless one of its options is set.</summary>
    public KeepAliveOptions KeepAlive { get; } = new();

    /// <summary>
    /// The size of the kernel's receive buffer (SO_RCVBUF, socket(7)). Default <see langword="null"/>: the kernel tunes it for each connection
    /// (<c>net.ipv4.tcp_rmem</c>), which a fixed size switches off. From 1 to 1,073,741,823; the kernel lowers it to
    /// <c>net.core.rmem_max</c> and raises what is very small, which is logged. Not for Unix domain sockets, where it has no effect (unix(7)).
    /// </summary>
    public int? ReceiveBufferSizeInBytes { get; set; }

    /// <summary>
    /// The size of the kernel's send buffer (SO_SNDBUF, socket(7)). Default <see langword="null"/>: the kernel tunes it for each connection
    /// (<c>net.ipv4.tcp_wmem</c>), which a fixed size switches off. From 1 to 1,073,741,823; the kernel lowers it to
    /// <c>net.core.wmem_max</c> and raises what is very small, which is logged.
    /// </summary>
    public int? SendBufferSizeInBytes { get; set; }

    /// <summary>
    /// What the release of a socket does with bytes that are not acknowledged (SO_LINGER, socket(7)). Default <see langword="null"/>: the
    /// kernel goes on sending them. Only <see cref="TimeSpan.Zero"/> can be set, since the release would hold a thread for a longer time.
    /// </summary>
    /// <remarks>
    /// Zero hurts: what the kernel still has to send at the release is discarded, and the connection is reset. The graceful close waits for
    /// the peer's FIN and not for its acknowledgements, so a client that ends its side first, and reads then, loses the rest of its answer.
    /// What zero brings is that no TIME_WAIT is left behind.
    /// </remarks>
    public TimeSpan? Linger { get; set; }

    /// <summary>
    /// How long sent bytes may stay unacknowledged before the kernel ends the connection with a timeout (TCP_USER_TIMEOUT, tcp(7)). Default
    /// <see langword="null"/>: after about 15 minutes (<c>net.ipv4.tcp_retries2</c>). Whole milliseconds, from 1 to 2,147,483,647. Linux only.
    /// </summary>
    /// <remarks>
    /// It also ends live peers that merely stopped reading for as long, since their window stays closed. Where keep-alive is on, it decides
    /// instead of <see cref="KeepAliveOptions.Count"/>.
    /// </remarks>
    public TimeSpan? UserTimeout { get; set; }

    /// <summary>
    /// How many bytes that are not yet sent the kernel takes per connection before a flush waits (TCP_NOTSENT_LOWAT, tcp(7)). Default
    /// <see langword="null"/>: 16,384 on Linux, no bound elsewhere. Zero leaves it to the system (<c>net.ipv4.tcp_notsent_lowat</c>, no bound
    /// unless it was changed). To be set on Linux only.
    /// </summary>
    /// <remarks>
    /// Without it the kernel holds megabytes for a peer that does not read (4.2 MB measured, 36 KiB with 16 KiB). It looks at the value where a segment
    /// of up to 64 KiB begins; for a peer whose window is closed, connections that are accepted give it 16 KiB more than the value at most. Bytes in
    /// flight do not count, so the rate of a fast or distant peer does not suffer; smaller values cost a wake-up for fewer bytes.
    /// </remarks>
    public int? UnsentLowWatermarkInBytes { get; set; }

    /// <summary>
    /// The differentiated services code point of the packets that are sent (RFC 2474; IP_TOS, ip(7), and IPV6_TCLASS, ipv6(7)), without the
    /// two bits of ECN. Default <see langword="null"/>: the system's, which is 0. From 0 to 63; 46 is expedited forwarding. Linux only.
    /// </summary>
    public int? Dscp { get; set; }

    /// <summary>
    /// Whether a listener on every address (<c>*</c>, [::]) leaves IPv4 alone (IPV6_V6ONLY, ipv6(7)). Default <see langword="false"/>: it takes
    /// both. An endpoint on an IPv4 address cannot have it. Has no meaning for sockets that connect.
    /// </summary>
    public bool IPv6Only { get; set; }

    /// <summary>
    /// The network interface to which packets are bound, whatever the routes say (SO_BINDTODEVICE, socket(7)), for example <c>eth0</c>: from
    /// 1 to 15 bytes. Default <see langword="null"/>: any. Linux only; before Linux 5.7 it takes CAP_NET_RAW.
    /// </summary>
    public string? Device { get; set; }

    /// <summary>
    /// How many connections may wait whose first bytes came with their SYN (TCP_FASTOPEN, tcp(7); RFC 7413). Default 0: off. The kernel
    /// lowers it to <c>net.core.somaxconn</c>, and accepts in the usual way when so many wait. Linux only, and only if bit 2 of
    /// <c>net.ipv4.tcp_fastopen</c> is set: if it is not, that is logged. Has no meaning for sockets that connect.
    /// </summary>
    /// <remarks>A network can deliver the first bytes twice: only for protocols whose first message may be repeated.</remarks>
    public int FastOpenQueueLength { get; set; }
}
