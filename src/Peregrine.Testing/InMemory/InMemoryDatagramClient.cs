using System.Threading.Channels;

namespace Peregrine.Testing;

/// <summary>A peer of the sockets of an <see cref="InMemoryDatagramTransport"/>. Safe to use from any thread.</summary>
public sealed class InMemoryDatagramClient : IInMemoryReceiver, IDisposable
{
    private readonly Channel<Datagram> _received;
    private readonly InMemoryDatagramTransport _transport;
    private readonly TimeProvider _clock;
    private readonly int _queueLength;
    private long _dropped;

    internal InMemoryDatagramClient(InMemoryDatagramTransport transport, InMemoryDatagramOptions options, DatagramAddress address)
    {
        _transport = transport;
        _clock = options.TimeProvider;
        _queueLength = options.ReceiveQueueLength;
        _received = Channel.CreateBounded<Datagram>(options.ReceiveQueueLength);
        Address = address;
    }

    /// <summary>Who sends.</summary>
    public DatagramAddress Address { get; }

    /// <summary>How many datagrams found its queue full: it did not receive them.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Sends a copy of the payload.</summary>
    /// <param name="payload">May be empty.</param>
    /// <param name="to">Where to.</param>
    /// <param name="marks">What its header says.</param>
    /// <returns>As <see cref="InMemoryDatagramTransport.Send"/>.</returns>
    public bool Send(ReadOnlySpan<byte> payload, DatagramAddress to, DatagramMarks marks = default) => _transport.Send(payload, Address, to, marks);

    /// <summary>Takes a datagram that has come. Its payload is the caller's for good.</summary>
    /// <returns>False if there is none.</returns>
    public bool TryReceive(out Datagram datagram) => _received.Reader.TryRead(out datagram);

    /// <summary>Waits for a datagram. Its payload is the caller's for good.</summary>
    /// <exception cref="ChannelClosedException">The client is disposed.</exception>
    public ValueTask<Datagram> ReceiveAsync(CancellationToken cancellationToken = default) => _received.Reader.ReadAsync(cancellationToken);

    /// <summary>Gives its address up. What has come can still be taken.</summary>
    public void Dispose()
    {
        _transport.Remove(this, Address);
        _received.Writer.TryComplete();
    }

    bool IInMemoryReceiver.Receive(ReadOnlySpan<byte> payload, DatagramPath path, DatagramMarks marks)
    {
        // Looked at first, so that a client that does not receive costs no copies.
        if (_received.Reader.Count < _queueLength && _received.Writer.TryWrite(new Datagram(payload.ToArray(), path, marks, _clock.GetTimestamp())))
        {
            return true;
        }

        if (_received.Reader.Completion.IsCompleted)
        {
            return false;
        }

        Interlocked.Increment(ref _dropped);
        return true;
    }
}
