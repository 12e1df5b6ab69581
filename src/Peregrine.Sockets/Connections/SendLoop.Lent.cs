namespace Peregrine.Sockets.Connections;

/// <content>The memory that a waiting <c>WriteAsync</c> has lent: sent without a copy, unless the flush is cancelled.</content>
internal sealed partial class SendLoop<TSocket>
{
    /// <summary>
    /// The flush that has lent its memory is being cancelled, by the caller: what is left of it is copied, and sent all the same.
    /// </summary>
    public void KeepLent()
    {
        var kept = default(WriteChain);
        ReadOnlyMemory<byte> lent;
        lock (Gate)
        {
            lent = _lent;
        }

        if (lent.IsEmpty)
        {
            return;
        }

        TryCopy(ref kept, lent.Span);
        bool start;
        lock (Gate)
        {
            _ = QueueLocked(ref kept);
            _lent = default;
            start = _parked;
            _parked = false;
        }

        kept.Return();
        Start(start);
    }

    /// <summary>
    /// Sends what the kernel takes of the memory that the waiting flush has lent. A little of the rest is copied, to wait for room with; all
    /// of it, if the flush is cancelled.
    /// </summary>
    private void SendLent(ReadOnlyMemory<byte> lent)
    {
        lent = lent[TrySend(lent.Span)..];
        var copies = Math.Min(lent.Length, Settings.WaitPieceInBytes);
        while (true)
        {
            var copied = default(WriteChain);
            if (copies > 0 && !TryCopy(ref copied, lent.Span[..copies]))
            {
                copies = lent.Length; // The connection is aborted.
            }

            lent = lent[copies..];
            var registration = default(CancellationTokenRegistration);
            var isCanceled = false;
            OperationCanceledException? canceled = null;
            lock (Gate)
            {
                _ = QueueLocked(ref copied);
                _lent = lent;
                if (lent.IsEmpty && _queue.Head is null)
                {
                    // Also where what was copied is discarded: without a buffer for it, or aborted meanwhile.
                    _pending.EndAttempt();
                    copies = 0;
                }
                else if (!_pending.TryWaitAgain())
                {
                    copies = lent.Length;
                    if (copies == 0)
                    {
                        isCanceled = true;
                        canceled = _pending.TakeCancelRequest() ? null : new OperationCanceledException(_pending.Token);
                        registration = _pending.BeginEnding(byCancel: true);
                    }
                }
                else
                {
                    copies = 0;
                }
            }

            copied.Return();
            if (isCanceled)
            {
                registration.Unregister();
                _writer.EndFlushOnScheduler(isCanceled: true, canceled);
            }

            if (copies == 0)
            {
                return;
            }
        }
    }

    /// <summary>On a completion's or a canceller's thread, where nobody would catch what the pool throws.</summary>
    private bool TryCopy(ref WriteChain chain, ReadOnlySpan<byte> source)
    {
        try
        {
            chain.Copy(Settings.WriteBlocks, source);
            return true;
        }
        catch (Exception exception)
        {
            chain.Return();
            _connection.Abort(new("What was left to send found no buffer.", exception));
            return false;
        }
    }
}
