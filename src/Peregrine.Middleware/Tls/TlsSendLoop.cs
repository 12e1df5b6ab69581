using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net.Security;
using System.Runtime.CompilerServices;

namespace Peregrine.Middleware.Tls;

/// <summary>
/// Encrypts what was flushed into the transport's output, and flushes that: once for a message, and every 64 KiB of a long one. It goes on until all
/// is sent, also when the flush that began it was given up.
/// </summary>
/// <remarks>
/// One thread at a time runs it: the flow that flushes, or the completion of the transport's flush. While it waits for that, the end may take it over:
/// what is left is then encrypted without waiting, and the transport's close sends it within bounds of its own.
/// </remarks>
internal sealed class TlsSendLoop
{
    /// <summary>What a record holds at most (RFC 8446 §5.1).</summary>
    public const int RecordSizeInBytes = 16 * 1024;

    /// <summary>Encrypted bytes that are collected for one flush of the transport.</summary>
    private const int FlushSizeInBytes = 64 * 1024;

    private readonly TlsSession _session;
    private readonly TlsPipeWriter _writer;
    private readonly SslStream _tls;
    private readonly TransportStream _transport;
    private readonly Action _onEncrypted;
    private readonly Action _onFlushed;
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Under the gate.
    private PendingOperation _pending;
    private SendState _state;
    private bool _isFinishing;
    private BufferSegment? _first;
    private BufferSegment? _last;
    private long _queued;
    private ReadOnlyMemory<byte> _lent;
    private volatile bool _closed;

    // Of whoever runs it.
    private ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _encrypting;
    private ConfiguredValueTaskAwaitable<FlushResult>.ConfiguredValueTaskAwaiter _flushing;
    private ReadOnlyMemory<byte> _piece;
    private bool _isPieceLent;

    public TlsSendLoop(TlsSession session, TlsPipeWriter writer, SslStream tls, TransportStream transport)
    {
        _session = session;
        _writer = writer;
        _tls = tls;
        _transport = transport;
        _onEncrypted = OnEncrypted;
        _onFlushed = OnFlushed;
    }

    public Lock Gate { get; } = new();

    /// <summary>At the end, the transport's output is completed, too. Under the gate.</summary>
    public bool CompletesTransport { get; set; }

    /// <summary>Nothing more can be sent.</summary>
    public bool IsClosed => _closed;

    /// <summary>May be read from any thread, and is a little old then.</summary>
    public long QueuedBytes => Volatile.Read(ref _queued);

    /// <summary>As above.</summary>
    public bool IsSending => _state is SendState.Running or SendState.Parked;

    /// <summary>Completes when all is in the transport's output, the close_notify too, or nothing can be sent any more.</summary>
    public Task Finished => _finished.Task;

    public static InvalidOperationException FlushInProgress() => new("A flush is already in progress: await it before the next.");

    public void ThrowIfBusy()
    {
        lock (Gate)
        {
            if (!_pending.IsNone)
            {
                throw FlushInProgress();
            }
        }
    }

    public FlushResult TakeResult()
    {
        lock (Gate)
        {
            return new FlushResult(_pending.TakeCancelRequest(), _closed);
        }
    }

    /// <summary>Sends what was written, and then what is lent. True if that is done, or given up; false if the writer's source tells when.</summary>
    public bool Flush(ref WriteChain written, ReadOnlyMemory<byte> lent, CancellationToken cancellationToken, out FlushResult result)
    {
        bool start;
        lock (Gate)
        {
            if (_closed)
            {
                written.Return();
                result = new FlushResult(_pending.TakeCancelRequest(), isCompleted: true);
                return true;
            }

            EnqueueLocked(ref written);
            _lent = lent;
            start = _state == SendState.Idle;
            _state = start ? SendState.Running : _state;
        }

        if (start)
        {
            Run();
        }

        lock (Gate)
        {
            if (_closed || _state is SendState.Idle or SendState.Finished)
            {
                result = new FlushResult(_pending.TakeCancelRequest(), _closed);
                return true;
            }

            if (_state == SendState.Parked && _pending.TakeCancelRequest())
            {
                KeepLentLocked();
                result = new FlushResult(isCanceled: true, isCompleted: false);
                return true;
            }

            _pending.Begin(cancellationToken);
            if (_state == SendState.Running)
            {
                // Another thread is at it: from now on, only that ends the wait.
                _pending.BeginAttempt();
            }
        }

        _pending.Register(Gate, static (state, token) => ((TlsSendLoop)state!).OnTokenCanceled(token), this, cancellationToken);
        result = default;
        return false;
    }

    /// <summary>Flushes the transport's output, if nobody does.</summary>
    public void FlushTransport()
    {
        lock (Gate)
        {
            if (_state != SendState.Idle || _closed)
            {
                return;
            }

            _state = SendState.Running;
        }

        Run();
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

    public void EndPending()
    {
        lock (Gate)
        {
            _pending.End();
        }
    }

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

    /// <summary>Runs until all is sent, or it waits. The state is running, and the caller's.</summary>
    [SuppressMessage("Reliability", "CA2012", Justification = "Its awaiter is asked once, here or in the completion: an asynchronous method would cost more for each wait.")]
    private void Run()
    {
        try
        {
            while (true)
            {
                if (TryTakePiece(out var isFinishing))
                {
                    // Into the transport's output, which does not wait. Should it all the same, only its completion goes on.
                    var encrypting = _tls.WriteAsync(_piece).ConfigureAwait(false).GetAwaiter();
                    if (!encrypting.IsCompleted)
                    {
                        _encrypting = encrypting;
                        encrypting.UnsafeOnCompleted(_onEncrypted);
                        return;
                    }

                    encrypting.GetResult();
                    if (ConsumePiece() && _transport.UnflushedBytes < FlushSizeInBytes)
                    {
                        continue;
                    }
                }
                else if (isFinishing)
                {
                    SendCloseNotify();
                    return;
                }
                else if (_transport.UnflushedBytes == 0)
                {
                    if (TryEnd())
                    {
                        return;
                    }

                    continue;
                }

                if (!TryFlush())
                {
                    return;
                }
            }
        }
        catch (Exception exception)
        {
            Close(exception);
        }
    }

    private void OnEncrypted()
    {
        try
        {
            var encrypting = _encrypting;
            _encrypting = default;
            encrypting.GetResult();
            ConsumePiece();
        }
        catch (Exception exception)
        {
            Close(exception);
            return;
        }

        Run();
    }

    /// <summary>Flushes the transport. False if that waits, and <see cref="OnFlushed"/> follows; or if nothing more can be sent.</summary>
    [SuppressMessage("Reliability", "CA2012", Justification = "Its awaiter is asked once, here or in the completion: an asynchronous method would cost more for each wait.")]
    private bool TryFlush()
    {
        lock (Gate)
        {
            if (_isFinishing)
            {
                return true; // From here on, nothing waits; the transport is flushed by its own end.
            }
        }

        var flushing = _transport.FlushOutputAsync().ConfigureAwait(false).GetAwaiter();
        if (flushing.IsCompleted)
        {
            return TryGoOn(flushing.GetResult());
        }

        Park(flushing);
        flushing.UnsafeOnCompleted(_onFlushed);
        return false;
    }

    private void Park(ConfiguredValueTaskAwaitable<FlushResult>.ConfiguredValueTaskAwaiter flushing)
    {
        CancellationTokenRegistration registration;
        CancellationToken token;
        lock (Gate)
        {
            _flushing = flushing;
            _state = SendState.Parked;
            if (!_pending.IsAttempting)
            {
                return;
            }

            token = _pending.Token;
            if (_pending.TryWaitAgain())
            {
                return;
            }

            _pending.TakeCancelRequest();
            registration = _pending.BeginEnding(byCancel: true);
            KeepLentLocked();
        }

        registration.Unregister();
        _writer.EndFlushOnScheduler(isCanceled: true, token.IsCancellationRequested ? new OperationCanceledException(token) : null);
    }

    private void OnFlushed()
    {
        var flushing = _flushing;
        bool isTaken;
        lock (Gate)
        {
            isTaken = _state != SendState.Parked;
            if (!isTaken)
            {
                _flushing = default;
                _state = SendState.Running;
                if (_pending.IsWaiting)
                {
                    _pending.BeginAttempt();
                }
            }
        }

        FlushResult result;
        try
        {
            result = flushing.GetResult();
        }
        catch (Exception exception)
        {
            if (!isTaken)
            {
                Close(exception);
            }

            return;
        }

        if (!isTaken && TryGoOn(result))
        {
            Run();
        }
    }

    private bool TryGoOn(FlushResult result)
    {
        if (!result.IsCompleted)
        {
            return true;
        }

        Close(exception: null);
        return false;
    }

    /// <summary>False if nothing is left to encrypt.</summary>
    private bool TryTakePiece(out bool isFinishing)
    {
        lock (Gate)
        {
            isFinishing = _isFinishing;
            while (_first is { Length: 0 } empty)
            {
                _first = empty.Return();
            }

            _isPieceLent = _first is null;
            if (_isPieceLent)
            {
                _last = null;
                _piece = _lent[..Math.Min(_lent.Length, RecordSizeInBytes)];
            }
            else
            {
                _piece = _first!.UnsentUpTo(RecordSizeInBytes);
            }

            return _piece.Length > 0 && !_closed;
        }
    }

    /// <summary>The piece is encrypted. True if there is more.</summary>
    private bool ConsumePiece()
    {
        lock (Gate)
        {
            if (_isPieceLent)
            {
                _lent = _lent[_piece.Length..];
            }
            else
            {
                _first!.Consume(_piece.Length);
                _queued -= _piece.Length;
                if (_first.Length == 0)
                {
                    _first = _first.Return();
                    _last = _first is null ? null : _last;
                }
            }

            _piece = default;
            return _first is not null || _lent.Length > 0;
        }
    }

    /// <summary>All is sent. False if there is more by now.</summary>
    private bool TryEnd()
    {
        CancellationTokenRegistration registration;
        FlushResult result;
        lock (Gate)
        {
            if (_first is not null || _lent.Length > 0 || _isFinishing || _transport.UnflushedBytes > 0)
            {
                return false;
            }

            _state = SendState.Idle;
            if (!TryTakePendingLocked(out registration, out result))
            {
                return true;
            }
        }

        registration.Unregister();
        _writer.EndFlush(result, exception: null);
        return true;
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
        if (!_closed)
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

    private void EnqueueLocked(ref WriteChain written)
    {
        if (!written.HasBlocks)
        {
            return;
        }

        _queued += written.Length;
        var (first, last) = written.Take();
        _last?.Append(first);
        _first ??= first;
        _last = last;
    }

    /// <summary>What was lent is the caller's again, but for a piece that is being encrypted, for whose end the caller waits.</summary>
    private void KeepLentLocked()
    {
        var inUse = _isPieceLent ? _piece.Length : 0;
        if (_lent.Length > inUse)
        {
            var copy = default(WriteChain);
            copy.Copy(_writer.Blocks, _lent.Span[inUse..]);
            EnqueueLocked(ref copy);
            _lent = _lent[..inUse];
        }
    }

    private void ReturnAllLocked()
    {
        BufferSegment.ReturnAll(_first);
        _first = null;
        _last = null;
        _queued = 0;
        _lent = default;
        _piece = default;
    }

    private enum SendState : byte
    {
        /// <summary>Nothing is to be sent.</summary>
        Idle,

        /// <summary>A thread encrypts.</summary>
        Running,

        /// <summary>The transport's flush waits.</summary>
        Parked,

        Finished,
    }
}
