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
internal sealed partial class TlsSendLoop
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
    private bool _isCut;
    private Exception? _lostLent;
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

    /// <summary>This itself: nobody else sees it.</summary>
    public object Gate => this;

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

    public void ThrowIfBusy()
    {
        lock (Gate)
        {
            if (!_pending.IsNone)
            {
                throw PipeMisuse.FlushInProgress();
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

    public void EndPending()
    {
        lock (Gate)
        {
            _pending.End();
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
