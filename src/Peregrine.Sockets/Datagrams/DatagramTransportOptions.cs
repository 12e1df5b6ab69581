using Peregrine.Sockets.EventLoops;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets;

/// <summary>Options of the datagram transport. They are read once, when the transport is made.</summary>
public sealed class DatagramTransportOptions
{
    /// <summary>
    /// Where handlers are called. Default <see cref="ConnectionScheduling.ThreadPool"/>. <see cref="ConnectionScheduling.Inline"/> and
    /// <see cref="ConnectionScheduling.EventLoop"/> call them on the event loops that have seen the datagrams arrive, on Linux and with batched system calls
    /// (<see cref="Io"/>); otherwise the default is used, which is logged.
    /// </summary>
    public ConnectionScheduling Scheduling { get; set; }

    /// <summary>
    /// How many sockets receive on the port (SO_REUSEPORT, socket(7)), each with a buffer and a receive loop of its own, over which the kernel spreads the peers: one
    /// peer's datagrams always come to the same. Default 1; from 1 to 1024. More than one on Linux only. Nobody else gets the port, unless the same user asks for it with
    /// SO_REUSEPORT.
    /// </summary>
    public int Listeners { get; set; } = 1;

    /// <summary>
    /// How many datagrams are received, and sent, with one system call at most. Default 64; from 1 to 1024. With <see cref="Coalescing"/> each of them may be a train of several,
    /// and a batch up to 256 datagrams or as many as this.
    /// </summary>
    /// <remarks>Each has a receive buffer; its memory is used up to the longest datagram that it has received.</remarks>
    public int BatchSize { get; set; } = 64;

    /// <summary>
    /// The longest payload that is received. Default 65,535 bytes, which is every one; from 1. Longer ones are dropped, and counted
    /// (<see cref="DatagramDropReason.Truncated"/>).
    /// </summary>
    public int MaxDatagramSizeInBytes { get; set; } = 65535;

    /// <summary>
    /// By which system calls datagrams are received and sent. Default <see cref="DatagramIo.Auto"/>. One by one, <see cref="DatagramPath.LocalAddress"/> is unspecified for a socket
    /// that is bound to every address, and has no effect when sending, as <see cref="DatagramPath.InterfaceIndex"/> and <see cref="DatagramMarks"/> have none; handlers are called on
    /// the thread pool.
    /// </summary>
    public DatagramIo Io { get; set; }

    /// <summary>
    /// Whether the kernel may hand over datagrams of one peer that are as long as each other as one (UDP_GRO, udp(7)); they are taken apart before a handler sees them. Default
    /// <see langword="true"/>. Without effect where the kernel does not have it, and one by one.
    /// </summary>
    public bool Coalescing { get; set; } = true;

    /// <summary>
    /// Whether datagrams to one peer that are as long as each other may be handed to the kernel as one (UDP_SEGMENT, udp(7)), which the kernel or the network card takes apart.
    /// Default <see langword="true"/>. Without effect where the kernel or the network card does not have it, and one by one.
    /// </summary>
    public bool Segmentation { get; set; } = true;

    /// <summary>
    /// How many bytes of payload each socket queues to send. Default 1,048,576; from 65,536 to 1,073,741,824. A full queue is sent first; if the kernel takes no more,
    /// <see cref="DatagramSender.TrySend"/> drops the datagram, and counts it, and <see cref="DatagramSender.SendAsync"/> waits.
    /// </summary>
    public int MaxQueuedBytes { get; set; } = 1 << 20;

    /// <summary>How many datagrams each socket queues to send, as with <see cref="MaxQueuedBytes"/>. Default 4,096; from 1 to 1,048,576.</summary>
    public int MaxQueuedDatagrams { get; set; } = 4096;

    /// <summary>Options of its sockets.</summary>
    public DatagramSocketOptions Socket { get; init; } = new();

    /// <summary>The clock of time stamps and back-off. Default <see cref="TimeProvider.System"/>.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>For tests: other system calls.</summary>
    internal DatagramCalls Calls { get; set; } = DatagramCalls.System;

    /// <summary>For tests: loops that nobody else uses, instead of the process's.</summary>
    internal ILoops? Loops { get; set; }
}
