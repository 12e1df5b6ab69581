using System.Net;

namespace Peregrine.Middleware;

/// <summary>
/// Options of the receiver of PROXY protocol headers (proxy-protocol.txt). They are read when the pipeline is built, and later changes have no effect.
/// </summary>
public sealed class ProxyProtocolOptions
{
    /// <summary>
    /// The networks of the proxies. Default: none, and then nobody could connect, which fails the start. A connection from elsewhere is reset before
    /// a byte of it is read: whoever may send a header can claim to be any address. A peer on IPv4 is its IPv4 address, also on a listener of both
    /// families.
    /// </summary>
    public IList<IPNetwork> TrustedNetworks { get; } = [];

    /// <summary>
    /// Also trust whoever connects by a Unix domain socket, which has no address. Default false. The permissions of its file, or of its folder, then
    /// decide who can claim to be any address; an abstract socket has none, and every process of the machine, or of its network namespace, can connect.
    /// </summary>
    public bool TrustUnixSockets { get; set; }

    /// <summary>
    /// Take headers from everybody, in the place of <see cref="TrustedNetworks"/>. Default false. Everybody who reaches the port can then claim to be
    /// any address, in logs, in address rules, in limits: only for where something else lets nobody but proxies through, such as a firewall.
    /// </summary>
    public bool DangerousTrustAnySender { get; set; }

    /// <summary>
    /// How long a client may take for the whole header, from the start of the middleware on, however it sends it. Default 3 s, which covers a TCP
    /// retransmission (§2); to 24 days, more than zero. Then the connection is reset.
    /// </summary>
    public TimeSpan HeaderTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>The versions that are accepted. Default both. A connection with another one is reset at its first byte.</summary>
    public ProxyProtocolVersions Versions { get; set; } = ProxyProtocolVersions.Any;

    /// <summary>
    /// The longest header that is accepted, with everything that follows its addresses. Default 3,072 bytes, with which what a connection keeps of its
    /// header stays below 4 KiB; from 232, those of two Unix domain sockets, to 65,551, the longest that there is. A longer one resets the
    /// connection. Headers with a client's certificate may need more than the default.
    /// </summary>
    public int MaxHeaderSizeInBytes { get; set; } = 3_072;
}
