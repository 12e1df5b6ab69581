using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Peregrine.Sockets.EventLoops;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Datagrams;

/// <summary>
/// A datagram socket on an event loop, or on the thread pool (<see cref="PoolLoops"/>): many datagrams are received, and sent, with each system call. It is told of datagrams once for each
/// change (edge-triggered), so it receives until there are no more.
/// </summary>
internal sealed partial class LoopDatagramSocket : LoopTarget, IDatagramSocket
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
