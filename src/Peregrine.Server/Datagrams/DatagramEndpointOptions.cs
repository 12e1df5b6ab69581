using Peregrine.Middleware;

namespace Peregrine.Server.Datagrams;

/// <summary>Options of a datagram endpoint, from code and from the configuration section <c>Peregrine:Endpoints:&lt;name&gt;</c>, which wins.</summary>
public sealed class DatagramEndpointOptions
{
    /// <summary>
    /// Where to receive: <c>udp://host:port</c> (an IP address, IPv6 in brackets; <c>*</c> is every address of both families, <c>localhost</c> both
    /// loopback addresses; port 0 takes a free one).
    /// </summary>
    public string? Url { get; set; }

    /// <summary>
    /// Where its handlers run. Default <see cref="ConnectionScheduling.ThreadPool"/>; <see cref="ConnectionScheduling.Inline"/> is faster, for handlers that never block, and
    /// <see cref="ConnectionScheduling.EventLoop"/> for any. Both on Linux and with batched system calls (<see cref="Io"/>); elsewhere the default is used, which is logged.
    /// </summary>
    public ConnectionScheduling Scheduling { get; set; }

    /// <summary>
    /// How many sockets share its port (SO_REUSEPORT, socket(7)), each with a receive loop that calls the handlers, so that they run at the same time; the kernel spreads
    /// the peers over them, and those of one peer come to one. Default 1; from 1 to 1024. More than one on Linux only.
    /// </summary>
    public int Listeners { get; set; } = 1;

    /// <summary>
    /// How many datagrams are received, and sent, with one system call at most. Default 64; from 1 to 1024. With <see cref="Coalescing"/> each may be a train of several, and a batch up to 256 datagrams
    /// or as many as this.
    /// </summary>
    public int BatchSize { get; set; } = 64;

    /// <summary>
    /// The longest payload that is received. Default 65,535 bytes, which is every one; from 1. Longer ones are dropped, and counted
    /// (<see cref="DatagramDropReason.Truncated"/>).
    /// </summary>
    public int MaxDatagramSizeInBytes { get; set; } = 65_535;

    /// <summary>By which system calls datagrams are received and sent. Default <see cref="DatagramIo.Auto"/>.</summary>
    public DatagramIo Io { get; set; }

    /// <summary>Whether the kernel may hand over datagrams of one peer joined, which are taken apart again (UDP_GRO, udp(7)). Default <see langword="true"/>; where it is not there, it has no effect.</summary>
    public bool Coalescing { get; set; } = true;

    /// <summary>Whether datagrams to one peer are given to the kernel joined, which takes them apart (UDP_SEGMENT, udp(7)). Default <see langword="true"/>; where it is not there, it has no effect.</summary>
    public bool Segmentation { get; set; } = true;

    /// <summary>
    /// How many bytes of payload each of its sockets queues to send. Default 1,048,576; from 65,536 to 1,073,741,824. If the queue is full and the kernel takes no more,
    /// <see cref="DatagramSender.TrySend"/> drops and counts, and <see cref="DatagramSender.SendAsync"/> waits.
    /// </summary>
    public int MaxQueuedBytes { get; set; } = 1 << 20;

    /// <summary>How many datagrams each of its sockets queues to send, as with <see cref="MaxQueuedBytes"/>. Default 4,096; from 1 to 1,048,576.</summary>
    public int MaxQueuedDatagrams { get; set; } = 4096;

    /// <summary>Options of its sockets.</summary>
    public DatagramSocketOptions Socket { get; } = new();

    /// <summary>Which addresses may send. Datagrams of others are dropped before everything in the pipeline, and counted (<see cref="DatagramDropReason.RejectedAddress"/>). A change takes effect at once.</summary>
    public AddressRules Addresses { get; } = new();
}
