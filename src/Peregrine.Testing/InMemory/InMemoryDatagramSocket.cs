using System.Buffers;
using System.Net;
using System.Threading.Channels;

namespace Peregrine.Testing;

/// <summary>A bound socket: a bounded queue, and a loop that hands it to the handler in batches.</summary>
internal sealed class InMemoryDatagramSocket : IDatagramSocket, IInMemoryReceiver
{
    private readonly InMemoryDatagramTransport _transport;
    private readonly InMemoryDatagramOptions _options;
    private readonly DatagramAddress _bound;
    private readonly Channel<Received> _queue;
    private DatagramCounters? _counters;
    private Task _loop = Task.CompletedTask;
    private long _kernelDrops;
    private volatile bool _isStopped;

    public InMemoryDatagramSocket(InMemoryDatagramTransport transport, InMemoryDatagramOptions options, IPEndPoint bound)
    {
        _transport = transport;
        _options = options;
        _bound = new DatagramAddress(bound);
        _queue = Channel.CreateBounded<Received>(options.ReceiveQueueLength);
        InMemorySender = new InMemoryDatagramSender(transport, _bound, options.SendQueueLength);
        LocalEndPoint = bound;
    }

    public EndPoint LocalEndPoint { get; }

    public EndPoint? RemoteEndPoint => null;

    public DatagramSender Sender => InMemorySender;

    public InMemoryDatagramSender InMemorySender { get; }

    public void Start(DatagramDelegate handler, DatagramCounters counters)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ArgumentNullException.ThrowIfNull(counters);
        if (Interlocked.CompareExchange(ref _counters, counters, null) is not null)
        {
            throw new InvalidOperationException("The socket receives already.");
        }

        InMemorySender.Counters = counters;
        _loop = Task.Run(() => ReceiveAsync(handler, counters));
    }

    public void CountKernelDrops() => _counters?.AddDropped(DatagramDropReason.ReceiveBufferFull, Interlocked.Exchange(ref _kernelDrops, 0));

    public async ValueTask StopReceivingAsync(CancellationToken cancellationToken)
    {
        _isStopped = true;
        _queue.Writer.TryComplete();
        await _loop.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (cancellationToken.IsCancellationRequested)
        {
            DropWhatIsQueued();
        }
    }

    public ValueTask DisposeAsync()
    {
        _transport.Remove(this, _bound);
        _isStopped = true;
        _queue.Writer.TryComplete();
        CountKernelDrops();
        DropWhatIsQueued();
        InMemorySender.Close();
        return ValueTask.CompletedTask;
    }

    bool IInMemoryReceiver.Receive(ReadOnlySpan<byte> payload, DatagramPath path, DatagramMarks marks)
    {
        if (_isStopped)
        {
            return false;
        }

        var memory = _options.Pool.Rent(Math.Max(1, payload.Length));
        payload.CopyTo(memory.Memory.Span);
        if (_queue.Writer.TryWrite(new Received(memory, new Datagram(memory.Memory[..payload.Length], path, marks, _options.TimeProvider.GetTimestamp()))))
        {
            return true;
        }

        memory.Dispose();
        if (_isStopped)
        {
            return false;
        }

        Interlocked.Increment(ref _kernelDrops);
        return true;
    }

    private async Task ReceiveAsync(DatagramDelegate handler, DatagramCounters counters)
    {
        var batch = new DatagramBatch(_options.BatchSize);
        var held = new List<IMemoryOwner<byte>>(_options.BatchSize);
        while (await _queue.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            long bytes = 0;
            while (batch.Count < _options.BatchSize && _queue.Reader.TryRead(out var next))
            {
                held.Add(next.Memory);
                batch.Add(next.Datagram);
                bytes += next.Datagram.Payload.Length;
            }

            if (batch.Count == 0)
            {
                continue; // What was there was dropped meanwhile.
            }

            counters.AddReceived(batch.Count, bytes);
            try
            {
                await handler(batch, InMemorySender).ConfigureAwait(false);
            }
            catch (Exception)
            {
                counters.AddDropped(DatagramDropReason.HandlerFailed, batch.Count);
            }

            batch.Clear();
            held.ForEach(static memory => memory.Dispose());
            held.Clear();
        }
    }

    /// <summary>It was received as far as the kernel goes, and is counted as if the loop had taken it.</summary>
    private void DropWhatIsQueued()
    {
        while (_queue.Reader.TryRead(out var next))
        {
            _counters?.AddReceived(1, next.Datagram.Payload.Length);
            _counters?.AddDropped(DatagramDropReason.Stopping);
            next.Memory.Dispose();
        }
    }

    /// <param name="Memory">Holds the payload.</param>
    /// <param name="Datagram">What is handed out.</param>
    private readonly record struct Received(IMemoryOwner<byte> Memory, Datagram Datagram);
}
