using System.Net;

namespace Peregrine.Server.Limits;

/// <summary>
/// Bounds over all endpoints of the server, section <c>Peregrine:Limits</c>. A change of the configuration takes effect at once, on what comes
/// after it: connections that are there stay.
/// </summary>
public sealed class ServerLimits
{
    /// <summary>
    /// How many connections the server has at most, those that are closing included. Default: as many as there are descriptors for, which is the
    /// process's limit (RLIMIT_NOFILE, getrlimit(2)) less those that are open at the start and 256; 65,536 where the system does not tell. At least
    /// 1; more than there are descriptors for fails the start. At the limit nothing is accepted: clients wait in the kernel's queue, and are served
    /// in turn as places come free. A connection that was accepted while the last place went to another endpoint waits for the next place.
    /// </summary>
    public int? MaxConnections { get; set; }

    /// <summary>
    /// How many connections one address has at most, over all endpoints; of IPv6, one network of 64 bits. Default: half of
    /// <see cref="MaxConnections"/>, so that no address takes all, which is no defence against clients with several: a host with IPv4 and IPv6 has
    /// two; at least 1. What is more is reset at once. Behind a proxy that does not tell addresses, all clients have one: exempt it.
    /// </summary>
    public int? MaxConnectionsPerAddress { get; set; }

    /// <summary>
    /// How many connections of one address are accepted in a second, on average, with a burst of as many; of IPv6, of one network of 64 bits.
    /// Default: any number; at least 1. What is more is reset at once.
    /// </summary>
    public int? ConnectionsPerSecondPerAddress { get; set; }

    /// <summary>Networks whose addresses are bounded by neither of the limits per address: proxies, monitoring. Default: none.</summary>
    public IList<IPNetwork> ExemptNetworks { get; } = [];

    /// <summary>
    /// How many connections are accepted in a second, on average, with a burst of as many. Default: any number; at least 1. Beyond it nothing is
    /// accepted: clients wait in the kernel's queue. What is queued when an endpoint stops is accepted at once.
    /// </summary>
    public int? AcceptsPerSecond { get; set; }

    /// <summary>
    /// How many connections are in a handshake, such as that of TLS, at once: it is what costs this side more than the client. Default 1,024; at
    /// least 1. One more waits for its turn, during which its <see cref="Timeouts.EndpointTimeouts.Handshake"/> runs.
    /// </summary>
    public int MaxHandshakes { get; set; } = 1024;

    /// <summary>
    /// How many bytes the connections keep in buffers at most, over all endpoints: the blocks of what is received and not consumed, and what is written
    /// and not sent. Default: a
    /// quarter of the memory that the process may use; at least 1,048,576. Above it, once a second, connections are reset until it is kept: first those
    /// that would take longest, at the pace of their peers in that second, to get rid of what they keep.
    /// </summary>
    public long? MaxBufferedBytes { get; set; }
}
