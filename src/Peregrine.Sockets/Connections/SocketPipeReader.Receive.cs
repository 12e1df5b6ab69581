using Microsoft.AspNetCore.Connections;

namespace Peregrine.Sockets.Connections;

/// <content>What the socket brings: at once, or by a wait.</content>
internal sealed partial class SocketPipeReader<TSocket>
{
    Span<byte> IReceiveBuffer.Rent()
    {
        try
        {
            return _receiver.Rent();
        }
        catch (Exception exception)
        {
            // On a completion's thread nobody would catch what the pool throws: the read that waits does.
            AbortFor(exception);
            return default;
        }
    }

    void IReceiveBuffer.Return() => ReturnRented();

    /// <summary>A wait has ended: with bytes in its buffer, the peer's FIN, or an error, which the socket reports once.</summary>
    public void OnReceived(IoResult result)
    {
        CancellationTokenRegistration registration = default;
        InputDiscard<TSocket>? discard = null;
        bool isAwaited;
        bool isUnwanted;
        lock (Gate)
        {
            _arrived = result;
            _wait = ReadWait.Arrived;
            isAwaited = Pending.IsWaiting;
            isUnwanted = _gaveBack;
            if (!isUnwanted && result.Bytes > 0)
            {
                _receiver.Count(result.Bytes);
            }

            if (isAwaited)
            {
                registration = Pending.BeginEnding(byCancel: false);
            }
            else
            {
                discard = _left ? _discard : null;
            }
        }

        if (isAwaited)
        {
            registration.Unregister();
            TakeArrived();
            EndRead(isCanceled: false, exception: null);
            return;
        }

        if (isUnwanted)
        {
            ReturnRented();
        }

        // The read that armed it was cancelled. The next one takes it; that the connection has ended is told at once.
        if (discard is not null)
        {
            discard.OnReceived(result);
        }
        else if (result.Bytes == 0 || result.IsError)
        {
            NoteEnd(result);
        }
    }

    /// <summary>Receives, waiting. True if that brought something already; false if a wait is armed now, or was before.</summary>
    private bool TryArrive()
    {
        // Without the lock: a completion changes only what is armed, and this flow alone arms.
        if (_wait != ReadWait.None)
        {
            return false;
        }

        _wait = ReadWait.Armed;
        if (_receiver.Receive(this, out var result))
        {
            _arrived = result;
            _wait = ReadWait.Arrived;
            if (result.Bytes > 0)
            {
                _receiver.Count(result.Bytes);
            }

            return true;
        }

        // A wait that began may have ended by now, on another thread; it counts as one all the same.
        _connection.Burst.Restart();
        return false;
    }

    private void ReturnRented()
    {
        try
        {
            _receiver.Return();
        }
        catch (Exception exception)
        {
            AbortFor(exception);
        }
    }

    // What a pool throws that gets a block back comes on a completion's thread, too.
    private void AbortFor(Exception exception) => _connection.Abort(new("The memory pool has failed where something was received.", exception));

    /// <summary>Takes the wait's result.</summary>
    private void TakeArrived()
    {
        if (_arrived.Bytes > 0)
        {
            try
            {
                _receiver.Take(_arrived.Bytes);
            }
            catch (Exception exception)
            {
                AbortFor(exception);
            }
        }

        if (_arrived.Bytes == 0 || _arrived.IsError)
        {
            // Told at once, for nobody may read on; what has come before it is read first.
            _ended = NoteEnd(_arrived);
        }

        // Last: a send that meets the same end leaves it to this to tell how it came.
        _wait = ReadWait.None;
    }

    /// <summary>Receives once, without waiting. True if the reader has something to tell: bytes, the end, or a failure.</summary>
    private bool TryReceive()
    {
        var result = _receiver.TryReceive();
        if (result.Bytes > 0)
        {
            return true;
        }

        if (result.IsWouldBlock && _connection.AbortReason is null)
        {
            lock (Gate)
            {
                if (_failure is null)
                {
                    return false;
                }
            }
        }

        _ended = NoteEnd(result);
        return true;
    }

    /// <summary>Tells the connection that a receive brought nothing more. True if that is the peer's FIN, false if it is a failure.</summary>
    private bool NoteEnd(IoResult result)
    {
        Exception? failure;
        lock (Gate)
        {
            // An abort on another thread makes a receive end in any way, before it says so here.
            _aborted ??= _connection.AbortReason;
            if (result.IsError)
            {
                _failure ??= _connection.ToException(result.Error);
            }

            failure = _aborted ?? _failure;
        }

        if (failure is not null)
        {
            _connection.OnFailed(failure);
            return false;
        }

        _connection.OnPeerClosed();
        return true;
    }
}
