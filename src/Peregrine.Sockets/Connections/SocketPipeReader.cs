using System.Diagnostics;
using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using Peregrine.Features;

namespace Peregrine.Sockets.Connections;

/// <summary>
/// A <see cref="PipeReader"/> that receives straight from the socket into pooled blocks. Nothing is received unless the application asks,
/// so the kernel's window is the backpressure, and a reader that waits holds no block (<see cref="Receiver{TSocket}"/>).
/// </summary>
/// <remarks>
/// The chain of blocks belongs to the application's flow, or to the completion that ends its wait. Only what cancellation and completions
/// share is under <see cref="_lock"/>.
/// </remarks>
internal sealed partial class SocketPipeReader<TSocket> : PipeReader, IValueTaskSource<ReadResult>, IThreadPoolWorkItem
    where TSocket : struct, IStreamSocket
{
    private readonly Lock _lock = new();
    private readonly StreamConnection<TSocket> _connection;
    private readonly StreamSettings _settings;

    // Under the lock.
    private PendingOperation _pending;
    private ReadWait _wait;
    private IoResult _arrived;
    private volatile bool _completed;
    private Exception? _aborted;
    private Exception? _failure;
    private InputDiscard<TSocket>? _discard;
    private bool _left;

    // The flow's own, behind the guard, or the completion's while the flow waits.
    private FlowGuard _guard;
    private ManualResetValueTaskSourceCore<ReadResult> _source;
    private Receiver<TSocket> _receiver;
    private bool _ended;
    private ReadResultState _result;
    private Exception? _endException;

    public SocketPipeReader(TSocket socket, StreamConnection<TSocket> connection, StreamSettings settings)
    {
        _connection = connection;
        _settings = settings;
        _receiver = new Receiver<TSocket>(socket, connection, settings);
    }

    public long BytesReceived => _receiver.Bytes;

    /// <summary>Received and not consumed.</summary>
    public long UnreadBytes => _receiver.Chain.Length;

    /// <summary>What that keeps.</summary>
    public long UnreadMemory => _receiver.Chain.Kept;

    /// <summary>The application waits for something to read. Looked at without the lock: it may be a little old.</summary>
    public bool IsReading => _pending.IsWaiting;

    /// <summary>The peer's FIN has been received.</summary>
    public bool HasEnded => _ended;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        Enter();
        try
        {
            ThrowIfReadingIsNotAllowed();
            if (cancellationToken.IsCancellationRequested)
            {
                return ValueTask.FromCanceled<ReadResult>(cancellationToken);
            }

            // After a receive that did not fill its buffer there is most likely nothing to receive: waiting costs less than a failed attempt.
            var yields = _connection.Burst.IsOver;
            ReadResult result;
            while (!TryTakeResult(receive: !_receiver.IsDrained && !yields, out result))
            {
                if (!yields && TryArrive())
                {
                    continue;
                }

                if (TryWait(yields, cancellationToken))
                {
                    return new ValueTask<ReadResult>(this, _source.Version);
                }
            }

            return new ValueTask<ReadResult>(result);
        }
        finally
        {
            Exit();
        }
    }

    public override bool TryRead(out ReadResult result)
    {
        Enter();
        try
        {
            ThrowIfReadingIsNotAllowed();

            // As for a read that follows: an attempt that finds nothing leaves the wait armed that this one would arm.
            return TryTakeResult(receive: !_receiver.IsDrained, out result) || (TryArrive() && TryTakeResult(receive: false, out result));
        }
        finally
        {
            Exit();
        }
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        Enter();
        try
        {
            if (_result == ReadResultState.None || !_pending.IsNone)
            {
                throw PipeMisuse.NoReadToAdvance();
            }

            _receiver.Chain.Advance(consumed, examined);
            _result = ReadResultState.None;
        }
        finally
        {
            Exit();
        }
    }

    public override void CancelPendingRead()
    {
        CancellationTokenRegistration registration;
        lock (_lock)
        {
            if (!_pending.RequestCancel())
            {
                return;
            }

            registration = _pending.BeginEnding(byCancel: true);
        }

        registration.Unregister();
        EndOnScheduler(exception: null);
    }

    /// <remarks>A read that is pending fails with <see cref="InvalidOperationException"/>: nobody is left to receive for.</remarks>
    public override void Complete(Exception? exception = null)
    {
        lock (_lock)
        {
            if (_completed)
            {
                return;
            }

            _completed = true;
        }

        if (_guard.TryComplete())
        {
            CompleteInside();
        }
    }

    /// <summary>Ends the pending read, and every later one, with <paramref name="exception"/>.</summary>
    public void Abort(Exception exception)
    {
        CancellationTokenRegistration registration;
        lock (_lock)
        {
            _aborted ??= exception;
            if (!_pending.IsWaiting)
            {
                return;
            }

            registration = _pending.BeginEnding(byCancel: true);
        }

        registration.Unregister();
        EndOnScheduler(exception);
    }

    /// <summary>
    /// The sending side met the connection's failure. The kernel reports it once, and to this side it would look like the peer's FIN:
    /// a truncated message would pass for a clean end.
    /// </summary>
    public void FailAfterData(Exception exception)
    {
        lock (_lock)
        {
            _failure ??= exception;
        }
    }

    /// <summary>
    /// A receive is under way, or has brought an error that it has not told of yet: the kernel's only report of a reset may be there, and then a send
    /// finds what it finds after the peer's FIN.
    /// </summary>
    public bool WillTellTheEnd
    {
        get
        {
            lock (_lock)
            {
                return _failure is not null || _wait == ReadWait.Armed || (_wait == ReadWait.Arrived && _arrived.Bytes == 0) || (!_completed && _guard.IsBusy);
            }
        }
    }

    /// <summary>
    /// After <see cref="Complete"/>: completions go to <paramref name="discard"/> from now on. True if it is begun here: a wait is armed, whose
    /// completion will come, or a call is still inside, which may be about to receive.
    /// </summary>
    public bool HandOver(InputDiscard<TSocket> discard)
    {
        lock (_lock)
        {
            _discard = discard;
            return _wait == ReadWait.Armed || !_left;
        }
    }

    private void Enter()
    {
        if (_completed || !_guard.TryEnter())
        {
            throw _completed ? PipeMisuse.ReadAfterCompletion() : PipeMisuse.ReadOnAnotherThread();
        }
    }

    private void Exit()
    {
        if (_guard.Exit())
        {
            CompleteInside();
            throw PipeMisuse.CompletedDuringCall();
        }
    }

    private void CompleteInside()
    {
        CancellationTokenRegistration registration = default;
        bool isReading, isWaiting;
        lock (_lock)
        {
            isReading = !_pending.IsNone;
            isWaiting = _pending.IsWaiting;
            if (isWaiting)
            {
                registration = _pending.BeginEnding(byCancel: true);
            }
        }

        if (isWaiting)
        {
            registration.Unregister();
            EndOnScheduler(exception: null);
        }
        else if (!isReading)
        {
            _receiver.Chain.Return();
        }

        // Otherwise a completion is at work on the chain: it finds the reader completed, and gives the blocks back.
        InputDiscard<TSocket>? discard;
        lock (_lock)
        {
            _left = true;
            discard = _wait == ReadWait.Armed ? null : _discard;
        }

        discard?.Run();
    }

    private void ThrowIfReadingIsNotAllowed()
    {
        if (_result == ReadResultState.Reading || !_pending.IsNone)
        {
            throw PipeMisuse.ReadInProgress();
        }
    }

    /// <summary>The result that can be had without waiting, if there is one.</summary>
    private bool TryTakeResult(bool receive, out ReadResult result)
    {
        ReadWait wait;
        lock (_lock)
        {
            if (_aborted is not null)
            {
                throw _aborted;
            }

            if (_pending.TakeCancelRequest())
            {
                result = MakeResult(isCanceled: true);
                return true;
            }

            // Looked at once: a completion turns it from armed to arrived at any time, and then its bytes come first.
            wait = _wait;
        }

        if (!_receiver.Chain.HasUnexamined && !_ended)
        {
            ThrowIfTooMuchIsUnread();
            if (wait == ReadWait.Arrived)
            {
                TakeArrived();
            }
            else if (wait == ReadWait.Armed || !receive || !TryReceive())
            {
                result = default;
                return false;
            }
        }

        result = MakeResultOrThrow();
        return true;
    }

    private void ThrowIfTooMuchIsUnread()
    {
        if (_receiver.Chain.Length >= _settings.MaxUnreadBytes)
        {
            _connection.TrySetReason(ConnectionCloseReason.UnreadLimit);
            throw PipeMisuse.TooMuchUnread(_receiver.Chain.Length, _settings.MaxUnreadBytes);
        }
    }

    /// <summary>Begins to wait for the completion of what is armed, or is armed by the scheduler. False if it has come already.</summary>
    private bool TryWait(bool yields, CancellationToken cancellationToken)
    {
        bool arm;
        lock (_lock)
        {
            if (_aborted is not null)
            {
                throw _aborted;
            }

            if (_wait == ReadWait.Arrived || _pending.IsCancelRequested)
            {
                return false;
            }

            _source.Reset();
            _pending.Begin(cancellationToken);
            arm = _wait == ReadWait.None;
            _wait = ReadWait.Armed;
        }

        _pending.Register(_lock, static (state, token) => ((SocketPipeReader<TSocket>)state!).OnTokenCanceled(token), this, cancellationToken);

        if (arm)
        {
            // The thread is given to others first. The wait counts as armed, and ends at once if there is something to receive.
            Debug.Assert(yields);
            _connection.Burst.Restart();
            _settings.Schedule(this);
        }

        return true;
    }

    /// <summary>The end of a yield.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        if (_receiver.Receive(out var result))
        {
            OnReceived(result);
        }
    }

    private void OnTokenCanceled(CancellationToken token)
    {
        lock (_lock)
        {
            // A registration that could not be withdrawn in time must not cancel a later read that has another token.
            if (!_pending.IsWaiting || _pending.Token != token)
            {
                return;
            }

            _pending.BeginEnding(byCancel: true);
        }

        EndOnScheduler(new OperationCanceledException(token));
    }

    /// <summary>Who cancels or aborts must not find itself running the application's code.</summary>
    private void EndOnScheduler(Exception? exception)
    {
        _endException = exception;
        _settings.Scheduler.Schedule(
            static state =>
            {
                var reader = (SocketPipeReader<TSocket>)state!;
                var exception = reader._endException;
                reader._endException = null;
                reader.EndRead(isCanceled: true, exception);
            },
            this);
    }

    private void EndRead(bool isCanceled, Exception? exception)
    {
        exception ??= isCanceled ? null : FailureOf();
        var result = exception is null ? MakeResult(isCanceled) : default;
        bool completed;
        lock (_lock)
        {
            completed = _completed;
            _pending.End();
        }

        if (completed)
        {
            _receiver.Chain.Return();
            exception = PipeMisuse.CompletedDuringRead();
        }

        if (exception is null)
        {
            _source.SetResult(result);
        }
        else
        {
            _source.SetException(exception);
        }
    }

    private ReadResult MakeResultOrThrow() => FailureOf() is { } failure ? throw failure : MakeResult(isCanceled: false);

    /// <summary>What came before a failure is read first.</summary>
    private Exception? FailureOf()
    {
        lock (_lock)
        {
            return _aborted ?? _connection.AbortReason ?? (!_receiver.Chain.HasUnexamined && !_ended ? _failure : null);
        }
    }

    private ReadResult MakeResult(bool isCanceled)
    {
        _result = isCanceled ? ReadResultState.Tentative : ReadResultState.Reading;
        return new ReadResult(_receiver.Chain.Bytes, isCanceled, isCompleted: _ended);
    }

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}
