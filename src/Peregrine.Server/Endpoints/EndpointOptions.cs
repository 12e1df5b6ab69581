using Peregrine.Middleware;
using Peregrine.Server.Limits;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Endpoints;

/// <summary>Options of an endpoint, from code and from the configuration section <c>Peregrine:Endpoints:&lt;name&gt;</c>, which wins.</summary>
public sealed class EndpointOptions
{
    /// <summary>
    /// Where to listen: <c>tcp://host:port</c> (an IP address, IPv6 in brackets; <c>*</c> is every address of both families, <c>localhost</c>
    /// both loopback addresses; port 0 takes a free one), <c>unix:///path</c> or <c>unix:@abstract-name</c>; or a listening socket that the
    /// process was started with (Linux): <c>fd://number</c>, the number of its descriptor, or <c>systemd://name</c>, every socket that was passed
    /// with that name (FileDescriptorName= of systemd.socket(5), sd_listen_fds(3)).
    /// </summary>
    /// <remarks>
    /// An inherited socket is left to the others that hold it: it goes on listening after a stop or <see cref="ServerEndpoint.SuspendAsync"/>,
    /// and clients that connect wait in its queue for whoever accepts next, such as the server that follows this one. <see cref="Backlog"/> has no
    /// effect on it, and what is decided when a socket is bound cannot be set.
    /// </remarks>
    public string? Url { get; set; }

    /// <summary>
    /// The number of connections that the kernel completes and queues before they are accepted (listen(2)). Default 4096; at least 1. The
    /// kernel lowers it to <c>net.core.somaxconn</c>, which is logged; when the queue is full, clients wait and retry.
    /// </summary>
    public int Backlog { get; set; } = 4096;

    /// <summary>
    /// How many sockets listen on its TCP port (SO_REUSEPORT, socket(7)), each with a queue of <see cref="Backlog"/> connections, over which the
    /// kernel spreads the clients. Default 1; from 1 to 1024. More than one on Linux only. At the stop, what each has queued is served. Nobody
    /// else gets the port, unless the same user asks for it with SO_REUSEPORT.
    /// </summary>
    public int Listeners { get; set; } = 1;

    /// <summary>
    /// How many loops accept connections, on each socket that listens. Default 1; from 1 to 1024. Two or four were no faster on two cores: a
    /// connection costs far more than its accept.
    /// </summary>
    public int AcceptSlots { get; set; } = 1;

    /// <summary>
    /// Where its handlers run. Default <see cref="ConnectionScheduling.ThreadPool"/>; <see cref="ConnectionScheduling.Inline"/> is faster, for
    /// handlers that never block: one that holds an event loop for 100 ms or more is logged. <see cref="ConnectionScheduling.EventLoop"/> is as fast,
    /// for any handlers, on Linux.
    /// </summary>
    public ConnectionScheduling Scheduling { get; set; }

    /// <summary>
    /// How many bytes a connection keeps that its handler has examined and not consumed. Default 1,048,576; at least 1. A read that asks for
    /// more fails with <see cref="InvalidDataException"/>, so that a peer that never ends its message cannot fill the memory; a connection that ends by it
    /// has the reason <c>ConnectionCloseReason.UnreadLimit</c>.
    /// </summary>
    public long MaxUnreadBytes { get; set; } = 1 << 20;

    /// <summary>Options of its sockets: those that listen and those that are accepted.</summary>
    public SocketOptions Socket { get; } = new();

    /// <summary>Bounds of the graceful close of its connections.</summary>
    public CloseOptions Close { get; } = new();

    /// <summary>Bounds of the endpoint and of each of its connections.</summary>
    public EndpointLimits Limits { get; } = new();

    /// <summary>How long its peers may take.</summary>
    public EndpointTimeouts Timeouts { get; } = new();

    /// <summary>Which addresses may connect.</summary>
    public AddressRules Addresses { get; } = new();

    /// <summary>
    /// TLS in front of the endpoint's pipeline, as <c>UseTls</c> puts it into one. Default null: none, unless the configuration has a section for it.
    /// <see cref="EndpointTimeouts.Handshake"/> and <see cref="MaxUnreadBytes"/> are those of the endpoint.
    /// </summary>
    public TlsOptions? Tls { get; set; }
}
