using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Features;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Listening;

/// <summary>
/// A listening socket. <see cref="AcceptAsync"/> ends only by its cancellation, by <see cref="UnbindAsync"/>, or when the socket itself is gone:
/// errors of single connections are passed over, and a shortage of descriptors or memory is waited out.
/// </summary>
internal sealed class SocketConnectionListener : IConnectionListener, IConnectionListenerStatus
{
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(10);

    private readonly Socket _socket;
    private readonly bool _isInherited;
    private readonly IAcceptor _acceptor;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _unbound = new();

    private readonly SemaphoreSlim _slots;
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();

    // Under the lock. The socket is released only when no call accepts: disposed with an accept pending, it would set a linger time of
    // zero on the file description, and connections accepted from an inherited one would later close with a reset.
    private int _accepting;
    private bool _isOver;
    private AcceptBackoff _backoff;
    private int _waitingOut;
    private SocketError? _acceptError;
    private long? _drainingSince;
    private readonly ReportInterval _reports;
    private long? _dropped;
    private uint _lastDrops;

    /// <param name="socket">Listening; unless it is inherited, it belongs to the listener from here on.</param>
    /// <param name="isInherited">Others may hold the socket too: it is never closed, and what it has queued is left to them.</param>
    /// <param name="acceptor">Makes connections of it.</param>
    /// <param name="slots">How many calls accept at once.</param>
    /// <param name="clock">The clock of the back-off.</param>
    /// <param name="logger">The transport's logger.</param>
    public SocketConnectionListener(Socket socket, bool isInherited, IAcceptor acceptor, int slots, TimeProvider clock, ILogger logger)
    {
        socket.Blocking = false;
        _socket = socket;
        _isInherited = isInherited;
        _acceptor = acceptor;
        _slots = new SemaphoreSlim(slots, slots);
        _clock = clock;
        _logger = logger;
        _reports = new ReportInterval(clock);
        EndPoint = socket.LocalEndPoint!;

        // What an inherited socket has dropped before is not this listener's.
        _lastDrops = ListenQueue.DropsOf(socket) ?? 0;
        DescriptorReserve.Process.TryTake();
    }

    public EndPoint EndPoint { get; }

    public int? QueuedConnections => ListenQueue.LengthOf(_socket);

    public long? DroppedConnections
    {
        get
        {
            lock (_lock)
            {
                return LookForDropsLocked();
            }
        }
    }

    public SocketError? AcceptError
    {
        get
        {
            lock (_lock)
            {
                return _waitingOut > 0 ? _acceptError : null;
            }
        }
    }

    public Action<SocketError>? AcceptFailed { get; set; }

    /// <summary>Waits for the next connection. When every slot has a call, one more waits until one of them has ended.</summary>
    /// <returns>
    /// Null when the listener is unbound and every connection that the kernel had queued has been accepted, or is left to others; and when the
    /// socket is gone, which is logged.
    /// </returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        Enter();
        var isOver = false;
        try
        {
            while (!_unbound.IsCancellationRequested)
            {
                if (await WaitForConnectionAsync(cancellationToken).ConfigureAwait(false) is { } connection)
                {
                    return connection;
                }

                if (!_unbound.IsCancellationRequested && ListenQueue.IsGone(_socket))
                {
                    SocketsLog.ListenerGone(_logger, EndPoint);
                    isOver = true;
                    return null;
                }
            }

            if (!_isInherited && await TakeQueuedAsync().ConfigureAwait(false) is { } queued)
            {
                return queued;
            }

            isOver = true;
            return null;
        }
        finally
        {
            Leave(isOver);
            _slots.Release();
        }
    }

    /// <summary>
    /// Stops listening. What the kernel has queued is still handed out by <see cref="AcceptAsync"/>, which closes the socket when the
    /// queue is empty and then returns null. An inherited socket goes on listening for the others that hold it, with what it has queued.
    /// </summary>
    public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        if (_unbound.IsCancellationRequested)
        {
            return ValueTask.CompletedTask;
        }

        try
        {
            if (_isInherited)
            {
                return new ValueTask(_unbound.CancelAsync());
            }

            // A second listen(2) with a backlog of zero: what is queued can still be accepted, and hardly anything is added.
            _socket.Listen(0);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Not possible: the queue is emptied all the same.
        }

        return new ValueTask(_unbound.CancelAsync());
    }

    /// <summary>Stops listening and closes the socket. Connections that are still queued in the kernel are reset.</summary>
    public async ValueTask DisposeAsync()
    {
        await _unbound.CancelAsync().ConfigureAwait(false);
        Enter();
        Leave(isOver: true);
        await _released.Task.ConfigureAwait(false);
    }

    private void Enter()
    {
        lock (_lock)
        {
            _accepting++;
        }
    }

    /// <summary>The last one that leaves a listener whose time is over releases a socket that is its own.</summary>
    private void Leave(bool isOver)
    {
        lock (_lock)
        {
            _isOver |= isOver;
            if (--_accepting > 0 || !_isOver)
            {
                return;
            }

            LookForDropsLocked(); // For the last time.
        }

        // Whoever enters from here on finds it unbound, never waits, and takes the disposed socket for an empty queue.
        _acceptor.Release();
        if (!_isInherited)
        {
            _socket.Dispose();
        }

        _released.TrySetResult();
    }

    private long? LookForDropsLocked()
    {
        if (ListenQueue.DropsOf(_socket) is { } drops)
        {
            _dropped = (_dropped ?? 0) + unchecked(drops - _lastDrops);
            _lastDrops = drops;
        }

        return _dropped;
    }

    /// <summary>Null if accept failed, the connection was gone, or the listener was unbound: the caller looks at it, and tries again.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ConnectionContext?> WaitForConnectionAsync(CancellationToken cancellationToken)
    {
        using var linked = cancellationToken.CanBeCanceled
            ? CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _unbound.Token)
            : null;
        var token = linked?.Token ?? _unbound.Token;
        try
        {
            try
            {
                if (!HasDescriptors())
                {
                    await BackOffAsync(SocketError.TooManyOpenSockets, token).ConfigureAwait(false);
                    return null;
                }

                var connection = await _acceptor.AcceptAsync(token).ConfigureAwait(false);
                ResetBackoff();
                return connection;
            }
            catch (SocketException exception)
            {
                await BackOffAsync(exception.SocketErrorCode, token).ConfigureAwait(false);
                return null;
            }
            catch (ObjectDisposedException)
            {
                return null;
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>What was given up for a bad day is back: otherwise the accept would take it.</summary>
    private static bool HasDescriptors() => !DescriptorReserve.Process.IsGivenUp || DescriptorReserve.Process.TryTake();

    private async Task BackOffAsync(SocketError error, CancellationToken cancellationToken)
    {
        if (error == SocketError.TooManyOpenSockets)
        {
            DescriptorReserve.Process.GiveUp();
        }

        TimeSpan delay;
        lock (_lock)
        {
            // One for all slots: what one of them has met, descriptors or memory, all lack.
            delay = _backoff.Next(error);
            _acceptError = error;
            _waitingOut++;
        }

        try
        {
            Tell(error);
            if (delay > TimeSpan.Zero)
            {
                if (_reports.IsDue(out var errors))
                {
                    SocketsLog.AcceptFailed(_logger, EndPoint, error, errors);
                }

                // Edge-triggered epoll does not tell again when a descriptor is free: only a timer can retry (accept failed before it dequeued).
                await Task.Delay(delay, _clock, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            lock (_lock)
            {
                _waitingOut--;
            }
        }
    }

    private void Tell(SocketError error)
    {
        try
        {
            AcceptFailed?.Invoke(error);
        }
        catch (Exception)
        {
            // Whatever measures must not end the loop.
        }
    }

    private void ResetBackoff()
    {
        lock (_lock)
        {
            _backoff.Reset();
        }
    }

    /// <summary>
    /// Null when the queue is empty, or the time for emptying it is over: even with a backlog of zero the kernel queues one more connection
    /// for each that is accepted.
    /// </summary>
    private async ValueTask<ConnectionContext?> TakeQueuedAsync()
    {
        while (!IsDrainOver())
        {
            try
            {
                if (!HasDescriptors())
                {
                    await BackOffAsync(SocketError.TooManyOpenSockets, CancellationToken.None).ConfigureAwait(false);
                }
                else if (_acceptor.Accept() is { } connection)
                {
                    return connection;
                }
            }
            catch (SocketException exception) when (exception.SocketErrorCode != SocketError.WouldBlock)
            {
                // Either that one is gone and the next may be fine, or descriptors are short, and those that end give theirs back.
                await BackOffAsync(exception.SocketErrorCode, CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return null; // Empty, or closed already.
            }
        }

        return null;
    }

    private bool IsDrainOver()
    {
        lock (_lock)
        {
            _drainingSince ??= _clock.GetTimestamp();
            return _clock.GetElapsedTime(_drainingSince.Value) >= DrainLimit;
        }
    }
}
