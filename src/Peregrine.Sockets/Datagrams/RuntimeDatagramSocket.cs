using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Datagrams;

/// <summary>A datagram socket of the runtime: one datagram with each system call, everywhere. What is there is put together into a batch.</summary>
internal sealed class RuntimeDatagramSocket : IDatagramSocket
{
    // Before other work of the thread has its turn.
    private const int MostBatchesInARow = 16;

    private readonly Socket _socket;
    private readonly ReceiveShape _shape;
    private readonly bool _isConnected;
    private readonly bool _isIPv6;
    private readonly byte[] _payloads;
    private readonly int _stride;
    private readonly SocketAddress _from;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly KernelDrops _drops;
    private readonly ReceiveStop _stop;
    private readonly ReceiveErrors _errors;
    private readonly QueuedSender _sender;
    private long _timestamp;
    private int _isDisposed;
    private BatchDispatch? _dispatch;

    /// <param name="socket">Bound. It is disposed with this.</param>
    /// <param name="shape">What is received.</param>
    /// <param name="options">The transport's.</param>
    /// <param name="logger">Where to log.</param>
    public RuntimeDatagramSocket(Socket socket, ReceiveShape shape, DatagramTransportOptions options, ILogger logger)
    {
        _socket = socket;
        _shape = shape;
        _isConnected = shape.Peer != DatagramAddress.Unspecified;
        _isIPv6 = socket.AddressFamily == AddressFamily.InterNetworkV6;

        // One byte more: a datagram that fills it is too long, and no system is asked to tell.
        _stride = shape.LongestDatagram + 1;
        _payloads = GC.AllocateUninitializedArray<byte>(shape.Messages * _stride, pinned: true);
        _from = new SocketAddress(socket.AddressFamily);
        _clock = options.TimeProvider;
        _logger = logger;
        _drops = new KernelDrops(socket);
        _stop = new ReceiveStop(_drops);
        LocalEndPoint = socket.LocalEndPoint!;
        RemoteEndPoint = _isConnected ? socket.RemoteEndPoint : null;
        _errors = new ReceiveErrors(options.TimeProvider, logger, LocalEndPoint);
        _sender = new QueuedSender(new RuntimeTransmission(socket, shape), options, logger);

        // So that a call that finds nothing, against what the system said before, does not wait.
        socket.Blocking = false;
    }

    public EndPoint LocalEndPoint { get; }

    public EndPoint? RemoteEndPoint { get; }

    public DatagramSender Sender => _sender;

    public void Start(DatagramDelegate handler, DatagramCounters counters)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed) != 0, typeof(IDatagramSocket));
        var dispatch = new BatchDispatch(handler, counters, _sender, LocalEndPoint, _clock, _logger);
        if (Interlocked.CompareExchange(ref _dispatch, dispatch, null) is not null)
        {
            throw new InvalidOperationException($"The datagram socket of {LocalEndPoint} is started already.");
        }

        _sender.CountIn(counters);
        using (ExecutionContext.SuppressFlow())
        {
            _stop.Begin(Task.Run(() => RunAsync(dispatch)));
        }
    }

    public void CountKernelDrops()
    {
        if (_dispatch is { } dispatch)
        {
            _drops.Count(dispatch.Counters);
        }
    }

    public async ValueTask StopReceivingAsync(CancellationToken cancellationToken)
    {
        if (_dispatch is not { } dispatch)
        {
            return;
        }

        _stop.Request();
        if (await _stop.WaitAsync(cancellationToken).ConfigureAwait(false))
        {
            DropWhatIsQueued(dispatch.Counters);
        }

        // What comes from now on fills a buffer that nobody empties.
        _drops.Count(dispatch.Counters, isLast: true);
        _sender.Flush();
    }

    public ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            CountKernelDrops();
            _dispatch?.Close();
            _stop.Abandon();
            _sender.Close();
            _socket.Dispose();
        }

        return default;
    }

    /// <summary>The receive loop, which nothing but its stop ends.</summary>
    private async Task RunAsync(BatchDispatch dispatch)
    {
        while (true)
        {
            try
            {
                await ReceiveAsync(dispatch).ConfigureAwait(false);
                return;
            }
            catch (ObjectDisposedException) when (Volatile.Read(ref _isDisposed) != 0)
            {
                return;
            }
            catch (SocketException) when (Volatile.Read(ref _isDisposed) != 0)
            {
                return;
            }
            catch (SocketException exception)
            {
                if (_errors.Next(exception.SocketErrorCode, out var delay))
                {
                    await Task.Delay(delay, _clock).ConfigureAwait(false);
                }
            }
            catch (Exception exception)
            {
                // Memory is short.
                SocketsLog.LoopWorkFailed(_logger, LocalEndPoint, exception);
                _errors.Next(SocketError.NoBufferSpaceAvailable, out var delay);
                await Task.Delay(delay, _clock).ConfigureAwait(false);
            }
        }
    }

    private async Task ReceiveAsync(BatchDispatch dispatch)
    {
        var batch = new DatagramBatch(_shape.Messages);
        var requested = _stop.Requested;
        for (var batches = 0; !_stop.IsRequested; batches++)
        {
            if (batches == MostBatchesInARow)
            {
                batches = 0;
                await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            }

            try
            {
                var pending = _isConnected
                    ? _socket.ReceiveAsync(Buffer(0), SocketFlags.None, requested)
                    : _socket.ReceiveFromAsync(Buffer(0), SocketFlags.None, From(), requested);
                batches = pending.IsCompleted ? batches : 0;
                var size = await pending.ConfigureAwait(false);
                Begin(batch, dispatch, size);
            }
            catch (OperationCanceledException)
            {
                break;
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.MessageSize)
            {
                Begin(batch, dispatch, _stride);
            }

            ReceiveMore(batch, dispatch);
            await HandleAsync(dispatch, batch).ConfigureAwait(false);
        }

        for (var datagrams = 0L; !_stop.IsLeftBehind && !_stop.IsExhausted(datagrams);)
        {
            batch.Clear();
            _timestamp = _clock.GetTimestamp();
            if (!TryReceive(batch, dispatch))
            {
                return;
            }

            ReceiveMore(batch, dispatch);
            datagrams += batch.Count;
            await HandleAsync(dispatch, batch).ConfigureAwait(false);
        }
    }

    private void Begin(DatagramBatch batch, BatchDispatch dispatch, int size)
    {
        _errors.Reset();
        _timestamp = _clock.GetTimestamp();
        batch.Clear();
        Add(batch, dispatch, size);
    }

    /// <summary>Adds what is there.</summary>
    private void ReceiveMore(DatagramBatch batch, BatchDispatch dispatch)
    {
        try
        {
            // An empty datagram looks like none, and is found by the next wait.
            while (batch.Count < _shape.Messages && _socket.Available > 0 && TryReceive(batch, dispatch))
            {
            }
        }
        catch (SocketException exception)
        {
            // What was received before is handled all the same.
            _errors.Next(exception.SocketErrorCode, out _);
        }
        catch (ObjectDisposedException)
        {
        }
    }

    /// <summary>False if there is nothing.</summary>
    private bool TryReceive(DatagramBatch batch, BatchDispatch dispatch)
    {
        var buffer = Buffer(batch.Count).Span;
        try
        {
            Add(batch, dispatch, _isConnected ? _socket.Receive(buffer) : _socket.ReceiveFrom(buffer, SocketFlags.None, From()));
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.MessageSize)
        {
            Add(batch, dispatch, _stride);
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.WouldBlock)
        {
            return false;
        }

        return true;
    }

    private void Add(DatagramBatch batch, BatchDispatch dispatch, int size)
    {
        dispatch.Counters.AddReceived(1, size);
        if (size > _shape.LongestDatagram)
        {
            dispatch.Counters.AddDropped(DatagramDropReason.Truncated);
            return;
        }

        var remote = _isConnected ? _shape.Peer : DatagramAddressBytes.Read(_from.Buffer.Span, _isIPv6);
        batch.Add(new Datagram(Buffer(batch.Count)[..size], new DatagramPath(remote, _shape.Local), default, _timestamp));
    }

    /// <summary>Beside the loop, which a handler that does not end holds up, and whose buffers it may look at: so that it is counted.</summary>
    private void DropWhatIsQueued(DatagramCounters counters)
    {
        var buffer = new byte[_stride];
        for (var dropped = 0L; !_stop.IsExhausted(dropped); dropped++)
        {
            try
            {
                counters.AddReceived(1, _socket.Receive(buffer));
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.MessageSize)
            {
                counters.AddReceived(1, _stride);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return; // There is no more.
            }

            counters.AddDropped(DatagramDropReason.Stopping);
        }
    }

    private async ValueTask HandleAsync(BatchDispatch dispatch, DatagramBatch batch)
    {
        if (batch.Count == 0)
        {
            return;
        }

        if (!_stop.TryEnter())
        {
            dispatch.Counters.AddDropped(DatagramDropReason.Stopping, batch.Count);
            return;
        }

        try
        {
            var handling = dispatch.HandleAsync(batch);
            if (!handling.IsCompletedSuccessfully)
            {
                await handling.ConfigureAwait(false);
                if (!Thread.CurrentThread.IsThreadPoolThread)
                {
                    // Not on a thread that somebody else has lent.
                    await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                }
            }
        }
        finally
        {
            _stop.Exit();
        }
    }

    private Memory<byte> Buffer(int index) => _payloads.AsMemory(index * _stride, _stride);

    private SocketAddress From()
    {
        _from.Size = _from.Buffer.Length;
        return _from;
    }
}
