using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Peregrine.Sockets.EventLoops;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Datagrams;

/// <summary>
/// A datagram socket on an event loop, or on the thread pool (<see cref="PoolLoops"/>): many datagrams are received, and sent, with each system call. It is told of datagrams once for each
/// change (edge-triggered), so it receives until there are no more.
/// </summary>
internal sealed class LoopDatagramSocket : LoopTarget, IDatagramSocket
{
    // Before other work of the thread has its turn: system calls, and datagrams.
    private const int MostInARow = 16;
    private const int MostDatagramsInARow = 1024;

    private const int ReceiveTaken = 1;
    private const int SendTaken = 2;

    private readonly Socket _socket;
    private readonly Loop _loop;
    private readonly Func<IncomingMessages> _makeIncoming;
    private readonly IncomingMessages _incoming;
    private readonly int _mostOfABatch;
    private readonly TimeProvider _clock;
    private readonly KernelDrops _drops;
    private readonly ReceiveStop _stop;
    private readonly ReceiveErrors _errors;
    private readonly bool _isOnPool;
    private readonly Turn _turn = new();
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _registration = new();
    private readonly QueuedSender _sender;
    private CountedDescriptor _descriptor;
    private Readiness _read;
    private uint _events;
    private int _waitsForRoom;
    private int _taken;
    private int _isDisposed;
    private BatchDispatch? _dispatch;

    /// <param name="socket">Bound. It is disposed with this, or if this fails.</param>
    /// <param name="shape">What is received.</param>
    /// <param name="largestSegment">See <see cref="ITransmission.LargestSegment"/>.</param>
    /// <param name="options">The transport's.</param>
    /// <param name="origin">Whose it is.</param>
    /// <exception cref="SocketException">The kernel does not watch it: memory or watches are short.</exception>
    public LoopDatagramSocket(Socket socket, ReceiveShape shape, int largestSegment, DatagramTransportOptions options, LoopOrigin origin)
        : base(origin)
    {
        _socket = socket;
        _clock = options.TimeProvider;
        _mostOfABatch = Math.Max(shape.Messages, DatagramLimits.MostOfABatch);
        _makeIncoming = () => new IncomingMessages(options.Calls.Receive, shape);
        _incoming = _makeIncoming();
        _drops = new KernelDrops(socket);
        _stop = new ReceiveStop(_drops);
        _errors = new ReceiveErrors(options.TimeProvider, origin.Logger, origin.EndPoint!);
        LocalEndPoint = socket.LocalEndPoint!;
        RemoteEndPoint = shape.Peer == DatagramAddress.Unspecified ? null : socket.RemoteEndPoint;
        var messages = new OutgoingMessages(options.Calls.Send, shape.Messages, socket.AddressFamily == AddressFamily.InterNetworkV6, shape.Peer, shape.Local);
        _sender = new QueuedSender(new LoopTransmission(this, socket, messages, largestSegment, shape.Peer), options, origin.Logger);
        _loop = origin.Loops.Next();
        _isOnPool = _loop is PoolLoop;
        _descriptor = new CountedDescriptor((int)socket.SafeHandle.DangerousGetHandle());
        _descriptor.TryEnter(out var number);
        _loop.Table.Add(number, this);

        // Of errors and hang-ups it tells in any case.
        var error = _loop.Set.Add(number, 0, LoopTable.DataOf(number, this));
        Exit(number);
        if (error != SocketError.Success)
        {
            Release();
            throw new SocketException((int)error);
        }
    }

    public EndPoint LocalEndPoint { get; }

    public EndPoint? RemoteEndPoint { get; }

    public DatagramSender Sender => _sender;

    public void Start(DatagramDelegate handler, DatagramCounters counters)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed) != 0, typeof(IDatagramSocket));
        var dispatch = new BatchDispatch(handler, counters, _sender, LocalEndPoint, _clock, Origin.Logger);
        if (Interlocked.CompareExchange(ref _dispatch, dispatch, null) is not null)
        {
            throw new InvalidOperationException($"The datagram socket of {LocalEndPoint} is started already.");
        }

        _sender.CountIn(counters);
        using (ExecutionContext.SuppressFlow())
        {
            // Begins with a wait, so that it runs where the loop tells of the first datagrams.
            _stop.Begin(RunAsync(dispatch));
        }

        if (Register(EpollSet.Readable) is not SocketError.Success and var error)
        {
            throw new SocketException((int)error);
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
        WakeReceive();
        if (await _stop.WaitAsync(cancellationToken).ConfigureAwait(false))
        {
            Drop(_incoming, dispatch.Counters);
            DropWhatIsQueued(dispatch.Counters);
        }

        // What comes from now on fills a buffer that nobody empties.
        _drops.Count(dispatch.Counters, isLast: true);
        _sender.Flush();
    }

    /// <summary>Waits for no handler: only for system calls, which do not wait, so that the port is free afterwards.</summary>
    public ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            CountKernelDrops();
            _dispatch?.Close();
            if (_stop.Abandon())
            {
                Drop(_incoming, _dispatch!.Counters);
            }

            _sender.Close();
            Release();
            WakeReceive();
        }

        return new ValueTask(_closed.Task);
    }

    public override void OnEvents(uint events)
    {
        if (TryNote(events))
        {
            Execute();
        }
    }

    public override bool TryNote(uint events)
    {
        var taken = 0;
        if ((events & (EpollSet.Readable | EpollSet.Error | EpollSet.HangUp)) != 0 && _read.TryTake())
        {
            taken |= ReceiveTaken;
        }

        if ((events & (EpollSet.Writable | EpollSet.Error | EpollSet.HangUp)) != 0 && Interlocked.Exchange(ref _waitsForRoom, 0) != 0)
        {
            taken |= SendTaken;
        }

        if (taken == 0)
        {
            return false;
        }

        // Another event may come before this one is run: then one of the two runs both.
        Interlocked.Or(ref _taken, taken);
        return true;
    }

    public override void Execute()
    {
        try
        {
            var taken = Interlocked.Exchange(ref _taken, 0);
            if ((taken & SendTaken) != 0)
            {
                // Told of every datagram that leaves, it would cost each of them time.
                Register(EpollSet.Readable);
                _sender.OnRoom();
            }

            if ((taken & ReceiveTaken) != 0)
            {
                _turn.Execute();
            }
        }
        catch (Exception exception)
        {
            SocketsLog.LoopWorkFailed(Origin.Logger, Origin.EndPoint, exception);
        }
    }

    /// <summary>How many messages were sent; negative, it is an errno; null if the socket is released.</summary>
    public int? Send(OutgoingMessages messages, int count)
    {
        if (!_descriptor.TryEnter(out var number))
        {
            return null;
        }

        var sent = messages.Send(number, count);
        Exit(number);
        return sent;
    }

    /// <summary>The sender is told when there is room. False if the kernel does not watch for it: memory is short.</summary>
    public bool TryWaitForRoom()
    {
        // Set before the kernel is asked: what it tells from then on is taken.
        Interlocked.Exchange(ref _waitsForRoom, 1);
        if (Register(EpollSet.Readable | EpollSet.Writable) == SocketError.Success)
        {
            return true;
        }

        Interlocked.Exchange(ref _waitsForRoom, 0);
        return false;
    }

    /// <summary>The receive loop, which nothing but its stop ends.</summary>
    private async Task RunAsync(BatchDispatch dispatch)
    {
        if (TryWait())
        {
            await _turn.Task.ConfigureAwait(false);
        }

        while (true)
        {
            try
            {
                await ReceiveAsync(dispatch).ConfigureAwait(false);
                return;
            }
            catch (Exception exception)
            {
                // Memory is short.
                SocketsLog.LoopWorkFailed(Origin.Logger, Origin.EndPoint, exception);
                _errors.Next(SocketError.NoBufferSpaceAvailable, out var delay);
                await DelayAsync(delay).ConfigureAwait(false);
            }
        }
    }

    private async Task ReceiveAsync(BatchDispatch dispatch)
    {
        var batch = new DatagramBatch(_incoming.Capacity);
        var (calls, datagrams, stopping) = (0, 0, 0L);
        while (!_stop.IsLeftBehind)
        {
            // Both before the call: what is told, or asked for, from here on is looked at after it.
            _read.Forget();
            var isStopping = _stop.IsRequested;
            var received = Receive(_incoming);
            if (received == 0 || (received == -Errno.TryAgain && isStopping))
            {
                return; // Released, or everything is received.
            }

            if (received > 0)
            {
                _errors.Reset();
                datagrams += await HandleAsync(dispatch, batch).ConfigureAwait(false);
                stopping += isStopping ? received : 0;
                if (isStopping && _stop.IsExhausted(stopping))
                {
                    return;
                }
            }
            else if (received != -Errno.TryAgain)
            {
                if (_errors.Next(Errno.ToSocketError(-received), out var delay))
                {
                    await DelayAsync(delay).ConfigureAwait(false);
                }

                continue;
            }

            if (!isStopping && received < _incoming.Capacity && TryWait())
            {
                // The queue was empty: what has come since then was told, or will be.
                await _turn.Task.ConfigureAwait(false);
                (calls, datagrams) = (0, 0);
            }
            else if (++calls >= MostInARow || datagrams >= MostDatagramsInARow)
            {
                await YieldAsync().ConfigureAwait(false);
                (calls, datagrams) = (0, 0);
            }
        }
    }

    /// <summary>Hands out what one call has received.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> HandleAsync(BatchDispatch dispatch, DatagramBatch batch)
    {
        var datagrams = 0;
        var timestamp = _clock.GetTimestamp();
        while (!_incoming.IsEmpty)
        {
            batch.Clear();
            _incoming.Take(batch, _mostOfABatch, timestamp, dispatch.Counters);
            datagrams += batch.Count;
            if (batch.Count == 0)
            {
                continue;
            }

            if (!_stop.TryEnter())
            {
                dispatch.Counters.AddDropped(DatagramDropReason.Stopping, batch.Count);
                continue;
            }

            try
            {
                var handling = dispatch.HandleAsync(batch);
                if (!handling.IsCompletedSuccessfully)
                {
                    await handling.ConfigureAwait(false);
                    if (!_isOnPool || !Thread.CurrentThread.IsThreadPoolThread)
                    {
                        // Not on a thread that somebody else has lent, and on an event loop where there is one.
                        await YieldAsync().ConfigureAwait(false);
                    }
                }
            }
            finally
            {
                _stop.Exit();
            }

            if (_stop.IsLeftBehind)
            {
                break;
            }
        }

        return datagrams;
    }

    /// <summary>Beside the loop, which a handler that does not end holds up, and whose buffers it may look at: so that it is counted.</summary>
    private void DropWhatIsQueued(DatagramCounters counters)
    {
        var incoming = _makeIncoming();
        for (var dropped = 0L; !_stop.IsExhausted(dropped) && Receive(incoming) is > 0 and var received; dropped += received)
        {
            Drop(incoming, counters);
        }
    }

    private void Drop(IncomingMessages incoming, DatagramCounters counters)
    {
        var batch = new DatagramBatch(incoming.Capacity);
        while (!incoming.IsEmpty)
        {
            batch.Clear();
            incoming.Take(batch, _mostOfABatch, timestamp: 0, counters);
            counters.AddDropped(DatagramDropReason.Stopping, batch.Count);
        }
    }

    /// <summary>How many messages; zero if the socket is released; negative, it is an errno.</summary>
    private int Receive(IncomingMessages incoming)
    {
        if (!_descriptor.TryEnter(out var number))
        {
            return 0;
        }

        var received = incoming.Receive(number);
        Exit(number);

        // A call that brings nothing, and no error, is not one of this kernel; it must not look like the end.
        return received == 0 ? -Errno.TryAgain : received;
    }

    /// <summary>False if there was news since the last call: it is looked at without a wait. Otherwise the turn is to be awaited.</summary>
    private bool TryWait()
    {
        _turn.Begin();
        return _read.TryWait();
    }

    private ValueTask YieldAsync()
    {
        _turn.BeginOn(_loop, Origin);
        return _turn.Task;
    }

    private async ValueTask DelayAsync(TimeSpan delay)
    {
        await Task.Delay(delay, _clock).ConfigureAwait(false);
        await YieldAsync().ConfigureAwait(false);
    }

    /// <summary>It looks again, as if it had been told of datagrams.</summary>
    private void WakeReceive()
    {
        if (_read.TryTake())
        {
            _loop.Post(_turn, Origin);
        }
    }

    private SocketError Register(uint events)
    {
        if (!_descriptor.TryEnter(out var number))
        {
            return SocketError.Success;
        }

        var error = SocketError.Success;
        lock (_registration)
        {
            if (_events != events)
            {
                error = _loop.Set.Modify(number, events, LoopTable.DataOf(number, this));
                _events = error == SocketError.Success ? events : _events;
            }
        }

        Exit(number);
        return error;
    }

    private void Release()
    {
        if (_descriptor.Release(out var number, out _))
        {
            Close(number);
        }
    }

    private void Exit(int number)
    {
        if (_descriptor.Exit())
        {
            Close(number);
        }
    }

    private void Close(int number)
    {
        _loop.Table.Remove(number, this);
        _socket.Dispose();
        _closed.SetResult();
    }
}
