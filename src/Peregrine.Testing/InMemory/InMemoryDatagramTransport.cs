using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Testing;

/// <summary>
/// A datagram transport within this process: it takes the place of sockets in tests, with the same behaviour at the edges (boundaries, order, bounded queues, drops that are counted) and
/// none of the timing. Nothing is lost on the way, and nothing is reordered.
/// </summary>
/// <remarks>
/// Sockets and clients are known to the transport they belong to, and to no other. What a socket sends arrives at once, without waiting for the end of the handler. All members are safe to use from any thread.
/// </remarks>
public sealed class InMemoryDatagramTransport : IDatagramTransport
{
    private const int FirstPort = 49_152;

    private readonly ConcurrentDictionary<DatagramAddress, IInMemoryReceiver> _receivers = new();
    private readonly Lock _lock = new();
    private readonly List<InMemoryDatagramSender> _senders = [];
    private readonly InMemoryDatagramOptions _options;
    private int _lastPort = FirstPort - 1;
    private volatile bool _isCongested;

    /// <summary>Makes a transport.</summary>
    /// <param name="options">The options, or <see langword="null"/> for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public InMemoryDatagramTransport(InMemoryDatagramOptions? options = null)
    {
        options ??= new InMemoryDatagramOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.ReceiveQueueLength, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.SendQueueLength, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.BatchSize, 1);
        _options = new InMemoryDatagramOptions
        {
            Pool = options.Pool,
            ReceiveQueueLength = options.ReceiveQueueLength,
            SendQueueLength = options.SendQueueLength,
            BatchSize = options.BatchSize,
            TimeProvider = options.TimeProvider,
        };
    }

    /// <summary>
    /// Whether the network takes nothing of what sockets send, as when the kernel's send buffer is full: their senders queue, and then refuse or wait. Set to <see langword="false"/>, what is
    /// queued is sent before the call returns. Default <see langword="false"/>. It has no effect on clients.
    /// </summary>
    public bool IsCongested
    {
        get => _isCongested;
        set
        {
            _isCongested = value;
            InMemoryDatagramSender[] senders;
            lock (_lock)
            {
                senders = [.. _senders];
            }

            foreach (var sender in senders)
            {
                sender.OnCongestionChanged();
            }
        }
    }

    /// <summary>Binds to an address.</summary>
    /// <param name="endPoint">An <see cref="IPEndPoint"/>; with port 0 it gets one that nobody of this transport has.</param>
    /// <param name="cancellationToken">Not used: the call never waits.</param>
    /// <exception cref="ArgumentException">It is not an <see cref="IPEndPoint"/>.</exception>
    /// <exception cref="AddressInUseException">A socket or a client of this transport has the address.</exception>
    public ValueTask<IDatagramSocket> BindAsync(EndPoint endPoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        if (endPoint is not IPEndPoint asked)
        {
            throw new ArgumentException($"{endPoint} is not an IP address and a port.", nameof(endPoint));
        }

        var bound = WithPort(asked);
        var socket = new InMemoryDatagramSocket(this, _options, bound);
        if (!_receivers.TryAdd(new DatagramAddress(bound), socket))
        {
            return ValueTask.FromException<IDatagramSocket>(new AddressInUseException($"A socket is already bound to {bound}."));
        }

        lock (_lock)
        {
            _senders.Add(socket.InMemorySender);
        }

        return ValueTask.FromResult<IDatagramSocket>(socket);
    }

    /// <summary>Makes a peer that sends and receives.</summary>
    /// <param name="address">Its address, which may be any; port 0 is replaced by a free one. Default: one of 127.0.0.1.</param>
    /// <exception cref="AddressInUseException">A socket or a client of this transport has the address.</exception>
    public InMemoryDatagramClient CreateClient(IPEndPoint? address = null)
    {
        var client = new InMemoryDatagramClient(this, _options, new DatagramAddress(WithPort(address ?? new IPEndPoint(IPAddress.Loopback, 0))));
        return _receivers.TryAdd(client.Address, client) ? client : throw new AddressInUseException($"A socket or a client already has {client.Address}.");
    }

    /// <summary>Sends a copy of the payload under any address, be it forged.</summary>
    /// <param name="payload">May be empty.</param>
    /// <param name="from">Who seems to send it. An answer goes there: to the client that has the address, or to nobody.</param>
    /// <param name="to">A client's or a socket's address; one that is bound to every address has each with its port.</param>
    /// <param name="marks">What its header says.</param>
    /// <returns>False if nobody receives there. Not whether it was received: a full queue drops without telling the sender.</returns>
    public bool Send(ReadOnlySpan<byte> payload, DatagramAddress from, DatagramAddress to, DatagramMarks marks = default) =>
        Find(to)?.Receive(payload, new DatagramPath(from, to), marks) ?? false;

    internal void Remove(IInMemoryReceiver receiver, DatagramAddress address)
    {
        _receivers.TryRemove(KeyValuePair.Create(address, receiver));
        if (receiver is InMemoryDatagramSocket socket)
        {
            lock (_lock)
            {
                _senders.Remove(socket.InMemorySender);
            }
        }
    }

    private IInMemoryReceiver? Find(DatagramAddress to)
    {
        if (_receivers.TryGetValue(to, out var exact)
            || (to.IsIPv4 && _receivers.TryGetValue(new DatagramAddress(0u, to.Port), out exact)))
        {
            return exact;
        }

        return _receivers.GetValueOrDefault(DatagramAddress.Unspecified.WithPort(to.Port));
    }

    private IPEndPoint WithPort(IPEndPoint asked)
    {
        if (asked.Port != 0)
        {
            return asked;
        }

        while (true)
        {
            // The sequence may wrap, so a port that somebody still has is passed over.
            var port = FirstPort + (int)((uint)(Interlocked.Increment(ref _lastPort) - FirstPort) % (IPEndPoint.MaxPort + 1 - FirstPort));
            if (!_receivers.Keys.Any(taken => taken.Port == port))
            {
                return new IPEndPoint(asked.Address, port);
            }
        }
    }
}

/// <summary>Whoever has an address of the transport.</summary>
internal interface IInMemoryReceiver
{
    /// <returns>False if it receives no more.</returns>
    bool Receive(ReadOnlySpan<byte> payload, DatagramPath path, DatagramMarks marks);
}
