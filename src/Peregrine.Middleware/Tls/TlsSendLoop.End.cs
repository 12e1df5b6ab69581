using System.IO.Pipelines;

namespace Peregrine.Middleware.Tls;

/// <summary>How a flush is given up, and how sending ends: with a close_notify, or because nothing more can be sent.</summary>
internal sealed partial class TlsSendLoop
{
    /// <summary>Sends what was written, unless it is discarded, and the close_notify, without waiting. Called once.</summary>
    public void Finish(ref WriteChain written, bool discard)
    {
        CancellationTokenRegistration registration = default;
        bool isWaiting, run;
        lock (Gate)
        {
            // What is written last comes behind what is lent.
            KeepLentLocked();
            if (discard || _closed)
            {
                written.Return();
            }
            else
            {
                EnqueueLocked(ref written);
            }

            _isFinishing = true;
            _isCut = discard;
            isWaiting = _pending.IsWaiting;
            if (isWaiting)
            {
                registration = _pending.BeginEnding(byCancel: true);
            }

            // Parked: it is taken over, and what it waits for ends without effect.
            run = _state is SendState.Idle or SendState.Parked;
            _state = run ? SendState.Running : _state;
        }

        if (isWaiting)
        {
            registration.Unregister();
            _writer.EndFlushOnScheduler(isCanceled: false, exception: null);
        }

        if (run)
        {
            Run();
        }
    }

    /// <summary>Nothing more can be sent: what is left is discarded.</summary>
    private void Close(Exception? exception)
    {
        CancellationTokenRegistration registration;
        FlushResult result;
        bool isPending, isFinishing;
        lock (Gate)
        {
            _closed = true;
            ReturnAllLocked();
            isFinishing = _isFinishing;
            _state = isFinishing ? SendState.Running : SendState.Idle;
            isPending = TryTakePendingLocked(out registration, out result);
        }

        if (exception is not null)
        {
            _session.OnSendFailed(exception);
        }

        if (isPending)
        {
            registration.Unregister();
            _writer.EndFlush(result, exception: null);
        }

        if (isFinishing)
        {
            SendCloseNotify();
        }
    }

    /// <summary>The last step. In the transport's output, it is sent by the transport's own end.</summary>
    public void SendCloseNotify()
    {
        // What was discarded is missing: a close_notify would tell the peer that it has all.
        if (!_closed && !_isCut)
        {
            if (!_transport.TryBeginShutDown())
            {
                return; // It is called again.
            }

            try
            {
                var notifying = _tls.ShutdownAsync();
                _ = notifying.Exception; // It is done at once: what it writes is only copied.
            }
            catch (Exception)
            {
                // TLS has failed before, and the peer is told by that.
            }

            _transport.EndShutDown();
        }

        CancellationTokenRegistration registration;
        FlushResult result;
        bool isPending, completesTransport;
        lock (Gate)
        {
            _state = SendState.Finished;
            ReturnAllLocked();
            completesTransport = CompletesTransport;
            isPending = TryTakePendingLocked(out registration, out result);
        }

        if (isPending)
        {
            registration.Unregister();
            _writer.EndFlush(result, exception: null);
        }

        if (completesTransport)
        {
            _session.CompleteTransportOutput();
        }

        _finished.TrySetResult();
    }

    private bool TryTakePendingLocked(out CancellationTokenRegistration registration, out FlushResult result)
    {
        registration = default;
        result = default;
        if (!_pending.IsPending)
        {
            return false;
        }

        result = new FlushResult(_pending.TakeCancelRequest(), _closed);
        registration = _pending.BeginEnding(byCancel: false);
        return true;
    }

    public void CancelPendingFlush()
    {
        CancellationTokenRegistration registration;
        lock (Gate)
        {
            if (!_pending.RequestCancel())
            {
                return;
            }

            registration = _pending.BeginEnding(byCancel: true);
            KeepLentLocked();
        }

        registration.Unregister();
        _writer.EndFlushOnScheduler(isCanceled: true, exception: null);
    }

    private void OnTokenCanceled(CancellationToken token)
    {
        lock (Gate)
        {
            // A registration that could not be withdrawn in time must not cancel a later flush that has another token.
            if (!_pending.IsWaiting || _pending.Token != token)
            {
                return;
            }

            _pending.BeginEnding(byCancel: true);
            KeepLentLocked();
        }

        _writer.EndFlushOnScheduler(isCanceled: true, new OperationCanceledException(token));
    }
}
