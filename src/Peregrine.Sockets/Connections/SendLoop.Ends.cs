namespace Peregrine.Sockets.Connections;

/// <content>How it ends: with the FIN behind the last byte, with the connection's failure, or because nothing more is to be sent.</content>
internal sealed partial class SendLoop<TSocket>
{
    /// <summary>Sends what is written, and then the FIN.</summary>
    public void Finish(ref WriteChain written, bool discard)
    {
        var queue = !discard && (IsSending || !TrySend(ref written));
        var start = false;
        bool isFileLeft;
        TaskCompletionSource? drained = null;
        lock (Gate)
        {
            isFileLeft = _file is not null;
            if (_lent.IsEmpty)
            {
                start = queue && !isFileLeft && QueueLocked(ref written);
            }
            else if (queue && written.HasBlocks)
            {
                AppendLocked(ref _behindLent, ref written);
            }

            _finWhenDrained = true;
            if (!_sending)
            {
                SendFinLocked();
                _finished = true;
                drained = _drained;
            }
        }

        written.Return();
        if (isFileLeft)
        {
            _connection.Abort(new("The writer was completed while a file was being sent."));
        }

        Start(start);
        drained?.TrySetResult();
    }

    /// <summary>Completes when everything is sent, the FIN too, or nothing can be sent any more. After <see cref="Finish"/>.</summary>
    public Task WhenDrainedAsync()
    {
        lock (Gate)
        {
            if (_finished)
            {
                return Task.CompletedTask;
            }

            _drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _drained.Task;
        }
    }

    /// <summary>Nothing more will be sent. True if a flush was waiting: the caller ends it.</summary>
    public bool Close(out CancellationTokenRegistration registration)
    {
        registration = default;
        lock (Gate)
        {
            _closed = true;
            if (!_pending.IsWaiting)
            {
                return false;
            }

            registration = _pending.BeginEnding(byCancel: false);
            _lent = default;
            return true;
        }
    }

    /// <summary>The connection can send no more. What is queued or written goes back to the pool.</summary>
    private void Fail(IoResult result)
    {
        // Before anything of this can be seen: a reader that meets the failure's traces must know of it.
        _connection.OnSendFailed(result.Error);
        BufferSegment? queue, behindLent;
        End end;
        lock (Gate)
        {
            _closed = true;
            queue = _queue.Clear();
            behindLent = _behindLent.Clear();
            Interlocked.Exchange(ref _queuedBytes, 0);
            if (_pending.IsWaiting)
            {
                _lent = default;
            }

            end = EndLocked();
        }

        BufferSegment.ReturnAll(queue);
        BufferSegment.ReturnAll(behindLent);
        Ended(end);
    }

    private void SendFinLocked()
    {
        // An abort may have told the handler, whose end completes this writer, and not be at its reset yet: the peer must not take it for an end.
        if (_connection.AbortReason is null)
        {
            _socket.ShutdownSend();
        }
    }

    private End EndLocked()
    {
        var flushed = _pending.IsWaiting;
        var end = new End(
            flushed, flushed ? _pending.BeginEnding(byCancel: false) : default, _finWhenDrained ? _drained : null, _file, _closed);
        _file = null;
        _finished |= _finWhenDrained;
        if (_sending)
        {
            _waited += Clock.GetTimestamp();
            Volatile.Write(ref _sending, false);
        }

        return end;
    }

    private void Ended(End end)
    {
        end.Registration.Unregister();

        // First, because the flush goes on in the application's code, which may take its time.
        end.Drained?.TrySetResult();
        if (end.File is not null)
        {
            EndFile(end.File, end.IsClosed);
        }

        if (end.IsFlushed)
        {
            _writer.EndFlush(isCanceled: false, exception: null);
        }
    }

    /// <summary>What is to be told when the loop has ended, outside of the lock.</summary>
    private readonly record struct End(
        bool IsFlushed, CancellationTokenRegistration Registration, TaskCompletionSource? Drained, FileSend? File, bool IsClosed);
}
