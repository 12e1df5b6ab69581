using System.Net;
using System.Net.Sockets;
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
    private readonly Socket _socket;
    private readonly int _number;
    private readonly Func<LoopSocket, EndPoint?, ConnectionContext> _connect;
    private readonly bool _isTcp;
    private readonly Lock _lock = new();

    // Under the lock.
    private List<TaskCompletionSource> _waiting = [];
    private int _edges;

    /// <param name="socket">Listening, not blocking; closed after <see cref="Release"/>.</param>
    /// <param name="connect">Makes a connection of an accepted socket, and of its peer's address where the socket does not tell it; may throw a <see cref="SocketException"/>.</param>
    /// <param name="origin">What its connections share.</param>
    /// <exception cref="SocketException">The kernel does not watch it: memory or watches are short.</exception>
    public LoopAcceptor(Socket socket, Func<LoopSocket, EndPoint?, ConnectionContext> connect, LoopOrigin origin)
        : base(origin)
    {
        _socket = socket;
        _connect = connect;
        _isTcp = socket.ProtocolType == ProtocolType.Tcp;

        // The listener closes the socket after the release only, so the number is its until then.
        _number = (int)socket.SafeHandle.DangerousGetHandle();
        origin.Loops.Table.Add(_number, this);
        var error = origin.Loops.Next().Set.Add(_number, EpollSet.Readable, LoopTable.DataOf(_number, this));
        if (error != SocketError.Success)
        {
            Release();
            throw new SocketException((int)error);
        }
    }

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var edges = Volatile.Read(ref _edges);
            if (TryAccept(out var connection))
            {
                return connection;
            }

            if (TryWait(edges) is { } waiting)
            {
                await WaitAsync(waiting, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    public ConnectionContext? Accept() =>
        TryAccept(out var connection) ? connection : throw new SocketException((int)SocketError.WouldBlock);

    public void Release() => Origin.Loops.Table.Remove(_number, this);

    public override void OnEvents(uint events)
    {
        List<TaskCompletionSource> waiting;
        lock (_lock)
        {
            // Counted first: who has found the queue empty before, and waits only now, tries again.
            _edges++;
            if (_waiting.Count == 0)
            {
                return;
            }

            waiting = _waiting;
            _waiting = [];
        }

        // One goes on here; the others must not wait for what it runs.
        for (var i = 1; i < waiting.Count; i++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static other => other.TrySetResult(), waiting[i], preferLocal: false);
        }

        waiting[0].TrySetResult();
    }

    private async ValueTask WaitAsync(TaskCompletionSource waiting, CancellationToken cancellationToken)
    {
        using (cancellationToken.UnsafeRegister(static (waiting, token) => Cancel((TaskCompletionSource)waiting!, token), waiting))
        {
            try
            {
                await waiting.Task.ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                lock (_lock)
                {
                    _waiting.Remove(waiting);
                }

                throw;
            }
        }
    }

    /// <summary>Null if the loop has told of connections since then.</summary>
    private TaskCompletionSource? TryWait(int edges)
    {
        lock (_lock)
        {
            if (_edges != edges)
            {
                return null;
            }

            // Goes on where the loop completes it.
            var waiting = new TaskCompletionSource();
            _waiting.Add(waiting);
            return waiting;
        }
    }

    /// <summary>Who cancels must not find itself running the application's code.</summary>
    private static void Cancel(TaskCompletionSource waiting, CancellationToken token) =>
        ThreadPool.UnsafeQueueUserWorkItem(static canceled => canceled.Waiting.TrySetCanceled(canceled.Token), (Waiting: waiting, Token: token), preferLocal: false);

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

        var accepted = new LoopSocket(descriptor, new SocketAddressBytes(address), _isTcp, Origin.Loops.Next(), Origin);
        try
        {
            connection = _connect(accepted, _isTcp ? null : UnixAddress(address));
        }
        catch (SocketException exception)
        {
            // An option that is set on it was refused, because it is gone.
            accepted.Release(reset: false);
            SocketsLog.AcceptedConnectionGone(Origin.Logger, Origin.EndPoint!, exception.Message);
        }
        catch
        {
            accepted.Release(reset: false);
            throw;
        }

        return true;
    }

    private static EndPoint UnixAddress(ReadOnlySpan<byte> address) => new UnixDomainSocketEndPoint("/").Create(SocketAddressBytes.ToAddress(address));
}
