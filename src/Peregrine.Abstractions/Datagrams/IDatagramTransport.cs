using System.Net;

namespace Peregrine;

/// <summary>Binds datagram sockets: the socket transport, or another in its place. Safe to use from any thread.</summary>
public interface IDatagramTransport
{
    /// <summary>Binds to an address. Nothing is received before <see cref="IDatagramSocket.Start"/>.</summary>
    ValueTask<IDatagramSocket> BindAsync(EndPoint endPoint, CancellationToken cancellationToken = default);
}

/// <summary>A bound datagram socket, or several that share a port. Safe to use from any thread.</summary>
public interface IDatagramSocket : IAsyncDisposable
{
    /// <summary>What it is bound to: a real port, also where port 0 was asked for.</summary>
    EndPoint LocalEndPoint { get; }

    /// <summary>Whom it is connected to; null if it takes datagrams of everybody.</summary>
    EndPoint? RemoteEndPoint { get; }

    /// <summary>Sends from it, also outside of handlers.</summary>
    DatagramSender Sender { get; }

    /// <summary>Begins to receive. Once.</summary>
    /// <param name="handler">Gets every batch; of one socket, one at a time.</param>
    /// <param name="counters">Everything that is received, sent and dropped is counted here from now on.</param>
    void Start(DatagramDelegate handler, DatagramCounters counters);

    /// <summary>Brings the counters up to date with what only the kernel counts: the datagrams for which its buffer had no room.</summary>
    void CountKernelDrops();

    /// <summary>
    /// Receives no more. What the kernel has queued by then is handled; completes when the last handler has ended. What is queued to send is sent, and more may be.
    /// </summary>
    /// <param name="cancellationToken">The deadline: what is not handled by then is dropped, and counted.</param>
    ValueTask StopReceivingAsync(CancellationToken cancellationToken);
}
