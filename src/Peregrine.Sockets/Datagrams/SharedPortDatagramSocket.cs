using System.Net;

namespace Peregrine.Sockets.Datagrams;

/// <summary>The sockets of one port (SO_REUSEPORT) as one: each receives for itself, and what no handler sends leaves by the first.</summary>
internal sealed class SharedPortDatagramSocket(IReadOnlyList<IDatagramSocket> sockets) : IDatagramSocket
{
    public EndPoint LocalEndPoint => sockets[0].LocalEndPoint;

    public EndPoint? RemoteEndPoint => null;

    public DatagramSender Sender { get; } = new SharedSender([.. sockets.Select(socket => socket.Sender)]);

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

    /// <summary>Sends by the first, and flushes what handlers have queued to each.</summary>
    private sealed class SharedSender(DatagramSender[] senders) : DatagramSender
    {
        private readonly DatagramSender _first = senders[0];

        public override int MaxPayloadSizeInBytes => _first.MaxPayloadSizeInBytes;

        public override bool TrySend(ReadOnlySpan<byte> payload, in DatagramPath path, DatagramMarks marks = default) => _first.TrySend(payload, path, marks);

        public override ValueTask SendAsync(
            ReadOnlyMemory<byte> payload, DatagramPath path, DatagramMarks marks = default, CancellationToken cancellationToken = default) =>
            _first.SendAsync(payload, path, marks, cancellationToken);

        public override async ValueTask FlushAsync(CancellationToken cancellationToken = default) =>
            await Task.WhenAll(senders.Select(sender => sender.FlushAsync(cancellationToken).AsTask())).ConfigureAwait(false);

        public override int? GetPathMtu(in DatagramPath path) => _first.GetPathMtu(path);
    }
}
