using System.Net;
using Peregrine.Middleware.ProxyProtocol;

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
    public IList<IPNetwork> TrustedNetworks { get; private set; } = [];

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
    /// The longest header that is accepted, with everything that follows its addresses. Default 2,560 bytes, with which what a connection keeps of its
    /// header stays below 4 KiB; from 232, those of two Unix domain sockets, to 65,551, the longest that there is. A longer one resets the
    /// connection. Headers with a client's certificate may need more than the default.
    /// </summary>
    public int MaxHeaderSizeInBytes { get; set; } = 2_560;

    /// <summary>Checks that somebody is trusted, and that every option is in its range; a receiver does so when its pipeline is built.</summary>
    /// <exception cref="ArgumentException">It is not: the message names the option, and what it takes.</exception>
    public void Validate()
    {
        if (DangerousTrustAnySender && TrustedNetworks.Count > 0)
        {
            throw Wrong(nameof(DangerousTrustAnySender), DangerousTrustAnySender, "it leaves TrustedNetworks without effect; set one of them");
        }

        if (!DangerousTrustAnySender && !TrustUnixSockets && TrustedNetworks.Count == 0)
        {
            throw new ArgumentException(
                $"ProxyProtocol:{nameof(TrustedNetworks)} is empty, so that nobody could connect; set it to the networks of the proxies, such as 10.0.0.0/8, or set {nameof(TrustUnixSockets)}, or {nameof(DangerousTrustAnySender)}.");
        }

        if (HeaderTimeout <= TimeSpan.Zero || HeaderTimeout > s_longestTimeout)
        {
            throw Wrong(nameof(HeaderTimeout), HeaderTimeout, "it takes a time of more than zero, to 24.00:00:00");
        }

        if (Versions is ProxyProtocolVersions.None or > ProxyProtocolVersions.Any or < 0)
        {
            throw Wrong(nameof(Versions), Versions, "it takes Version1, Version2 or Any");
        }

        if (MaxHeaderSizeInBytes is < SmallestMax or > BinaryHeader.MaxLength)
        {
            throw Wrong(nameof(MaxHeaderSizeInBytes), MaxHeaderSizeInBytes, $"it takes a number from {SmallestMax} to {BinaryHeader.MaxLength}");
        }
    }

    /// <summary>The same options, which share nothing with these.</summary>
    public ProxyProtocolOptions Copy()
    {
        var copy = (ProxyProtocolOptions)MemberwiseClone();
        copy.TrustedNetworks = [.. TrustedNetworks];
        return copy;
    }

    private static ArgumentException Wrong(string option, object value, string problem) => new($"ProxyProtocol:{option} = \"{value}\": {problem}.");

    private const int SmallestMax = BinaryHeader.StartLength + (2 * BinaryHeader.UnixSize);
    private static readonly TimeSpan s_longestTimeout = TimeSpan.FromDays(24);
}
