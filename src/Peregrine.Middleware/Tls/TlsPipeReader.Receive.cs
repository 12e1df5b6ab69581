using System.Diagnostics.CodeAnalysis;

namespace Peregrine.Middleware.Tls;

/// <summary>The wait for something to decrypt, and what it brings.</summary>
internal sealed partial class TlsPipeReader
{
    /// <summary>Arms a wait. True if it has arrived already; false if it is armed now, or was before.</summary>
    private bool TryArrive()
    {
        // Without the lock: a completion changes only what is armed, and this flow alone arms.
        if (_wait != ReadWait.None)
        {
            return _wait == ReadWait.Arrived;
        }

        _wait = ReadWait.Armed;
        if (!TryReceive())
        {
            return false;
        }

        _wait = ReadWait.Arrived;
        return true;
    }

    /// <summary>
    /// Waits for something to decrypt, without a buffer, then reads it into a block. False if it waits: <see cref="GoOn"/> follows.
    /// </summary>
    [SuppressMessage("Reliability", "CA2012", Justification = "Its awaiter is asked once, here or in the completion: an asynchronous method would cost more for each wait.")]
    private bool TryReceive()
    {
        try
        {
            while (true)
            {
                _session.Stream.BeginDecrypting();
                var awaiter = _tls.ReadAsync(_target?.Free ?? default).ConfigureAwait(false).GetAwaiter();
                if (!awaiter.IsCompleted)
                {
                    _awaiter = awaiter;
                    awaiter.UnsafeOnCompleted(_goOn);
                    return false;
                }

                if (Received(awaiter.GetResult()))
                {
                    _session.Stream.EndDecrypting();
                    return true;
                }
            }
        }
        catch (Exception exception)
        {
            _arrivedFailure = exception;
            _session.Stream.EndDecrypting();
            return true;
        }
    }

    /// <summary>False if that was the wait: what has come is read next.</summary>
    private bool Received(int bytes)
    {
        if (_target is null)
        {
            _target = BufferSegment.Rent(_session.Pool, Math.Min(_readSize, _session.Pool.MaxBufferSize));
            return false;
        }

        Volatile.Write(ref _arrivedBytes, bytes);
        return true;
    }

    /// <summary>What was waited for has come, or failed.</summary>
    private void GoOn()
    {
        bool isOver;
        try
        {
            var awaiter = _awaiter;
            _awaiter = default;
            isOver = Received(awaiter.GetResult());
        }
        catch (Exception exception)
        {
            _arrivedFailure = exception;
            isOver = true;
        }

        if (isOver)
        {
            _session.Stream.EndDecrypting();
        }

        if (isOver || TryReceive())
        {
            OnArrived();
        }
    }

    private void OnArrived()
    {
        CancellationTokenRegistration registration = default;
        BufferSegment? abandoned = null;
        bool isAwaited;
        TaskCompletionSource? idle;
        lock (Gate)
        {
            _wait = ReadWait.Arrived;
            isAwaited = Pending.IsWaiting;
            if (isAwaited)
            {
                registration = Pending.BeginEnding(byCancel: false);
            }
            else if (IsCompleted)
            {
                abandoned = TakeTarget();
            }

            idle = _idle;
        }

        if (isAwaited)
        {
            registration.Unregister();
            TakeArrived();
            EndRead(isCanceled: false, exception: null);
        }

        abandoned?.Return();
        idle?.TrySetResult();
        _session.FlushWhatReadingWrote();
    }

    /// <summary>Puts what has arrived into the chain. The flow's, or a completion's while the flow waits.</summary>
    private void TakeArrived()
    {
        BufferSegment? segment;
        int bytes;
        Exception? failure;
        lock (Gate)
        {
            (bytes, failure) = (_arrivedBytes, _arrivedFailure);
            _arrivedFailure = null;
            segment = TakeTarget();
            _wait = ReadWait.None;
        }

        if (failure is not null)
        {
            segment?.Return();
            _failure = _session.ExplainReadFailure(failure);
        }
        else if (segment is null)
        {
            // The reader was completed meanwhile, and what has come is abandoned.
        }
        else if (bytes == 0)
        {
            segment.Return();
            _failure = _session.ExplainEnd();
            _ended = _failure is null;
        }
        else
        {
            NoteSize(bytes, segment.FreeLength);
            _chain.Append(segment, bytes);
        }
    }

    private BufferSegment? TakeTarget()
    {
        var target = _target;
        _target = null;
        Volatile.Write(ref _arrivedBytes, 0);
        return target;
    }

    /// <summary>Large blocks for large messages: after one that was filled; small ones again after two that were nearly empty.</summary>
    private void NoteSize(int bytes, int free)
    {
        if (bytes == free)
        {
            _readSize = _session.Settings.LargestBlockInBytes;
            _wasSmall = false;
        }
        else if (bytes >= _session.Settings.SmallestBlockInBytes)
        {
            _wasSmall = false;
        }
        else if (_wasSmall)
        {
            _readSize = _session.Settings.SmallestBlockInBytes;
        }
        else
        {
            _wasSmall = true;
        }
    }
}
