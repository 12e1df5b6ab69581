using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Sockets.Linux;
using Peregrine.Sockets.Listening;

namespace Peregrine.Sockets.EventLoops;

/// <summary>
/// Accepts by accept4(2), without the runtime's objects for each connection. The listener's descriptor is in the set of one event loop; what waits goes
/// on there, and the connections are spread over all loops.
/// </summary>
internal sealed class LoopAcceptor : LoopTarget, IAcceptor
{
    // Of accepts without a wait, before other work of the thread has its turn.
    private const int MostInARow = 64;

    private readonly Socket _socket;
    private readonly int _number;
    private readonly ConnectDescriptor _connect;
    private readonly bool _isTcp;
    private readonly Loop _loop;
    private int _isReleased;
    private int _inARow;
    private readonly Lock _lock = new();

    // Under the lock.
    private readonly List<AcceptWaiter> _waiting = [];
    private readonly Stack<AcceptWaiter> _free = [];
    private int _edges;

    /// <param name="socket">Listening, not blocking; closed after <see cref="Release"/>.</param>
    /// <param name="connect">Makes a connection of an accepted socket.</param>
    /// <param name="origin">What its connections share.</param>
    /// <exception cref="SocketException">The kernel does not watch it: memory or watches are short.</exception>
    public LoopAcceptor(Socket socket, ConnectDescriptor connect, LoopOrigin origin)
        : base(origin)
    {
        _socket = socket;
        _connect = connect;
        _isTcp = socket.ProtocolType == ProtocolType.Tcp;

        // A number of its own: an inherited socket stays open, and may be listened on twice.
        _number = SocketCalls.Duplicate((int)socket.SafeHandle.DangerousGetHandle());
        if (_number < 0)
        {
            throw new SocketException((int)SocketError.TooManyOpenSockets);
        }

        _loop = origin.Loops.Next();
        _loop.Table.Add(_number, this);
        var error = _loop.Set.Add(_number, EpollSet.Readable, LoopTable.DataOf(_number, this));
        if (error != SocketError.Success)
        {
            Release();
            throw new SocketException((int)error);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var edges = Volatile.Read(ref _edges);
            if (TryAccept(out var connection))
            {
                if (++_inARow >= MostInARow)
                {
                    // Inexact where several accept at once, which is enough.
                    _inARow = 0;
                    await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                }

                return connection;
            }

            _inARow = 0;

            if (TryWait(edges) is { } waiter)
            {
                using (cancellationToken.UnsafeRegister(static (waiter, token) => ((AcceptWaiter)waiter!).Owner.Cancel((AcceptWaiter)waiter, token), waiter))
                {
                    await waiter.Task.ConfigureAwait(false);
                }

                // The registration is gone: nobody cancels it any more.
                GiveBack(waiter);
            }
        }
    }

    public ConnectionContext? Accept() =>
        TryAccept(out var connection) ? connection : throw new SocketException((int)SocketError.WouldBlock);

    public void Release()
    {
        if (Interlocked.Exchange(ref _isReleased, 1) == 0)
        {
            // Closed, it would stay in the set: it is not the last descriptor of its socket.
            _loop.Set.Remove(_number);
            _loop.Table.Remove(_number, this);
            SocketCalls.Close(_number);
        }
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
        lock (_lock)
        {
            // Who has found the queue empty before, and waits only now, tries again.
            _edges++;
            return _waiting.Count > 0;
        }
    }

    public override void Execute()
    {
        try
        {
            EndWaits();
        }
        catch (Exception exception)
        {
            SocketsLog.LoopWorkFailed(Origin.Logger, Origin.EndPoint, exception);
        }
    }

    private void EndWaits()
    {
        AcceptWaiter? first = null;
        AcceptWaiter[] others = [];
        lock (_lock)
        {
            if (_waiting.Count > 0)
            {
                first = _waiting[0];
                others = _waiting.Count > 1 ? [.. _waiting.Skip(1)] : [];
                _waiting.Clear();
            }
        }

        // One goes on here; the others must not wait for what it runs.
        foreach (var other in others)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static other => other.End(), other, preferLocal: false);
        }

        first?.End();
    }

    /// <summary>Null if the loop has told of connections since then.</summary>
    private AcceptWaiter? TryWait(int edges)
    {
        lock (_lock)
        {
            if (_edges != edges)
            {
                return null;
            }

            if (!_free.TryPop(out var waiter))
            {
                waiter = new AcceptWaiter(this);
            }

            _waiting.Add(waiter);
            return waiter;
        }
    }

    private void GiveBack(AcceptWaiter waiter)
    {
        lock (_lock)
        {
            _free.Push(waiter);
        }
    }

    /// <summary>Who cancels must not find itself running the application's code.</summary>
    private void Cancel(AcceptWaiter waiter, CancellationToken token)
    {
        lock (_lock)
        {
            if (!_waiting.Remove(waiter))
            {
                return; // The loop was faster.
            }
        }

        ThreadPool.UnsafeQueueUserWorkItem(static canceled => canceled.Waiter.Cancel(canceled.Token), (Waiter: waiter, Token: token), preferLocal: false);
    }

    /// <summary>False if the queue is empty.</summary>
    /// <exception cref="SocketException">accept(2) failed.</exception>
    private bool TryAccept(out ConnectionContext? connection)
    {
        connection = null;
        Span<byte> address = stackalloc byte[SocketAddressBytes.Longest];
        var error = SocketCalls.Accept(_socket.SafeHandle, ref address, out var descriptor);
        if (error == SocketError.WouldBlock)
        {
            return false;
        }

        if (error != SocketError.Success)
        {
            throw new SocketException((int)error);
        }

        try
        {
            connection = _connect(descriptor, new SocketAddressBytes(address), _isTcp ? null : UnixAddress(address));
        }
        catch (SocketException exception)
        {
            // An option that is set on it was refused, because it is gone.
            SocketsLog.AcceptedConnectionGone(Origin.Logger, Origin.EndPoint!, exception.Message);
        }

        return true;
    }

    private static EndPoint UnixAddress(ReadOnlySpan<byte> address) => new UnixDomainSocketEndPoint("/").Create(SocketAddressBytes.ToAddress(address));
}

/// <summary>Makes a connection of an accepted socket.</summary>
/// <param name="descriptor">Not blocking; belongs to the connection from here on, also if this throws.</param>
/// <param name="peer">The peer's address as accept(2) gave it.</param>
/// <param name="unixPeer">The same for a Unix domain socket.</param>
/// <exception cref="SocketException">The connection is gone.</exception>
internal delegate ConnectionContext ConnectDescriptor(int descriptor, SocketAddressBytes peer, EndPoint? unixPeer);
