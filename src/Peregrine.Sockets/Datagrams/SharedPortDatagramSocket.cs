using System.Net;

namespace Peregrine.Sockets.Datagrams;

/// <summary>The sockets of one port (SO_REUSEPORT) as one: each receives for itself, and what no handler sends leaves by the first.</summary>
internal sealed class SharedPortDatagramSocket(IReadOnlyList<IDatagramSocket> sockets) : IDatagramSocket
{
    public EndPoint LocalEndPoint => sockets[0].LocalEndPoint;

    public EndPoint? RemoteEndPoint => null;

    public DatagramSender Sender => sockets[0].Sender;

    public void Start(DatagramDelegate handler, DatagramCounters counters)
    {
        foreach (var socket in sockets)
        {
            socket.Start(handler, counters);
        }
    }

    public void CountKernelDrops()
    {
        foreach (var socket in sockets)
        {
            socket.CountKernelDrops();
        }
    }

    public async ValueTask StopReceivingAsync(CancellationToken cancellationToken) =>
        await Task.WhenAll(sockets.Select(socket => socket.StopReceivingAsync(cancellationToken).AsTask())).ConfigureAwait(false);

    public async ValueTask DisposeAsync()
    {
        foreach (var socket in sockets)
        {
            await socket.DisposeAsync().ConfigureAwait(false);
        }
    }
}
