using System.Buffers;
using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace Peregrine.Sockets.Connections;

/// <summary>
/// A <see cref="PipeReader"/> that receives straight from the socket into pooled blocks. Nothing is received unless the application asks,
/// so the kernel's window is the backpressure, and a reader that waits holds no block.
/// </summary>
/// <remarks>
/// The chain of blocks belongs to the application's flow, or to the completion that works for it while it waits
/// (<see cref="PendingOperation.BeginAttempt"/>). Only what cancellation and completions share is under <see cref="_lock"/>.
/// </remarks>
internal sealed class SocketPipeReader<TSocket> : PipeReader, IValueTaskSource<ReadResult>
    where TSocket : struct, IStreamSocket
{
    private readonly Lock _lock = new();
    private readonly TSocket _socket;
    private readonly StreamConnection<TSocket> _connection;
    private readonly StreamSettings _settings;

    // Under the lock.
    private PendingOperation _pending;
    private bool _waitArmed;
    private volatile bool _completed;
    private Exception? _aborted;
    private Exception? _failure;
    private InputDiscard<TSocket>? _discard;

    // The flow's own, behind the guard, or the completion's while the flow waits.
    private FlowGuard _guard;
    private ManualResetValueTaskSourceCore<ReadResult> _source;
    private ReceiveChain _received;
    private bool _ended;
    private bool _drained;
    private ResultState _result;
    private Exception? _endException;
    private long _bytesReceived;

    public SocketPipeReader(TSocket socket, StreamConnection<TSocket> connection, StreamSettings settings)
    {
        _socket = socket;
        _connection = connection;
        _settings = settings;
    }

    public long BytesReceived => Volatile.Read(ref _bytesReceived);

    /// <summary>The peer's FIN has been received.</summary>
    public bool HasEnded => _ended;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        Enter();
        ValueTask<ReadResult> read;
        try
        {
            ThrowIfReadingIsNotAllowed();
            if (cancellationToken.IsCancellationRequested)
            {
                return ValueTask.FromCanceled<ReadResult>(cancellationToken);
            }

            // After a receive that did not fill its buffer there is most likely nothing to receive: waiting costs less than a failed attempt.
            var yields = _connection.Burst.IsOver;
            read = TryTakeResult(receive: !_drained && !yields, out var result)
                ? new ValueTask<ReadResult>(result)
                : WaitAsync(yields, cancellationToken);
        }
        finally
        {
            Exit();
        }

        return read;
    }

    public override bool TryRead(out ReadResult result)
    {
        Enter();
        try
        {
            ThrowIfReadingIsNotAllowed();
            return TryTakeResult(receive: true, out result);
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
            if (_result == ResultState.None || !_pending.IsNone)
            {
                throw new InvalidOperationException("There is no read to advance: AdvanceTo follows a completed ReadAsync or TryRead, once.");
            }

            _received.Advance(consumed, examined);
            _result = ResultState.None;
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

    /// <summary>A wait for data has ended. <paramref name="result"/> matters only if it is an error, which the socket reports once.</summary>
    public void OnReadable(IoResult result)
    {
        InputDiscard<TSocket>? discard;
        while (true)
        {
            lock (_lock)
            {
                if (result.IsError)
                {
                    _failure ??= _connection.ToException(result.Error);
                }

                if (_pending.IsWaiting)
                {
                    _pending.BeginAttempt();
                }
                else
                {
                    _waitArmed = false;
                    discard = _discard;
                    break;
                }
            }

            var received = ReceiveForWaiter();
            CancellationTokenRegistration registration;
            OperationCanceledException? canceled = null;
            bool waitAgain;
            discard = null;
            lock (_lock)
            {
                waitAgain = !received && !_completed && _pending.TryWaitAgain();
                if (waitAgain)
                {
                    registration = default;
                }
                else
                {
                    _waitArmed = false;

                    // Handed over meanwhile, in the belief that a completion will come: this was it.
                    discard = _discard;
                    if (!received && !_pending.TakeCancelRequest())
                    {
                        canceled = new OperationCanceledException(_pending.Token);
                    }

                    registration = _pending.BeginEnding(byCancel: !received);
                }
            }

            if (!waitAgain)
            {
                registration.Unregister();
                EndRead(isCanceled: !received, canceled);
                discard?.Run();
                return;
            }

            if (!_socket.WaitReadable(out result))
            {
                return;
            }
        }

        discard?.OnReadable(result);
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
    /// After <see cref="Complete"/>: completions go to <paramref name="discard"/> from now on. True if a wait is armed, so that one will come.
    /// </summary>
    public bool HandOver(InputDiscard<TSocket> discard)
    {
        lock (_lock)
        {
            _discard = discard;
            return _waitArmed;
        }
    }

    private void Enter()
    {
        if (_completed || !_guard.TryEnter())
        {
            throw new InvalidOperationException(
                _completed ? "Reading is not allowed after the reader was completed." : "Reading is already in progress, on another thread.");
        }
    }

    private void Exit()
    {
        if (_guard.Exit())
        {
            CompleteInside();
            throw new InvalidOperationException("The reader was completed by another thread during the call.");
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
            _received.Return();
        }

        // Otherwise a completion is at work on the chain: it finds the reader completed, and gives the blocks back.
    }

    private void ThrowIfReadingIsNotAllowed()
    {
        if (_result == ResultState.Reading || !_pending.IsNone)
        {
            throw new InvalidOperationException("Reading is already in progress: await the pending read, and call AdvanceTo for its result.");
        }
    }

    /// <summary>The result that can be had without waiting, if there is one.</summary>
    private bool TryTakeResult(bool receive, out ReadResult result)
    {
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
        }

        if (!_received.HasUnexamined && !_ended)
        {
            ThrowIfTooMuchIsUnread();
        }

        if (_received.HasUnexamined || _ended || (receive && Receive()))
        {
            result = MakeResultOrThrow();
            return true;
        }

        result = default;
        return false;
    }

    private void ThrowIfTooMuchIsUnread()
    {
        if (_received.Length >= _settings.MaxUnreadBytes)
        {
            throw new InvalidDataException(
                $"{_received.Length} bytes are examined and not consumed, and more are asked for: MaxUnreadBytes ({_settings.MaxUnreadBytes}) bounds what a peer can make this side keep. Consume them, or raise it.");
        }
    }

    private ValueTask<ReadResult> WaitAsync(bool yields, CancellationToken cancellationToken)
    {
        _connection.Burst = default;
        _source.Reset();
        bool arm;
        lock (_lock)
        {
            if (_aborted is not null)
            {
                throw _aborted;
            }

            if (_pending.TakeCancelRequest())
            {
                return new ValueTask<ReadResult>(MakeResult(isCanceled: true));
            }

            _pending.Begin(cancellationToken);
            arm = !_waitArmed;
            _waitArmed = true;
        }

        if (cancellationToken.CanBeCanceled)
        {
            var registration = cancellationToken.UnsafeRegister(
                static (state, token) => ((SocketPipeReader<TSocket>)state!).OnTokenCanceled(token), this);
            bool kept;
            lock (_lock)
            {
                kept = _pending.TryKeep(registration);
            }

            if (!kept)
            {
                registration.Unregister();
            }
        }

        if (arm && yields)
        {
            // The thread is given to others; the wait counts as armed, and ends at once if there is something to receive.
            _settings.Scheduler.Schedule(static state => ((SocketPipeReader<TSocket>)state!).Arm(), this);
        }
        else if (arm)
        {
            Arm();
        }

        return new ValueTask<ReadResult>(this, _source.Version);
    }

    private void Arm()
    {
        if (_socket.WaitReadable(out var result))
        {
            OnReadable(result);
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
            _received.Return();
            exception = new InvalidOperationException("The reader was completed while a read was pending.");
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

    /// <summary>On a completion's thread, where nobody would catch what the pool throws: the read that waits does.</summary>
    private bool ReceiveForWaiter()
    {
        try
        {
            return Receive(forWaiter: true);
        }
        catch (Exception exception)
        {
            _connection.Abort(new("What was there to receive found no buffer.", exception));
            return true;
        }
    }

    /// <summary>Receives once. True if the reader has something to tell: bytes, the end, or a failure.</summary>
    private bool Receive(bool forWaiter = false)
    {
        var segment = _received.Room(_settings);
        var free = segment.Free.Span;
        var result = _socket.TryReceive(free);
        _received.Received(segment, result.Bytes);
        if (result.Bytes > 0)
        {
            _drained = result.Bytes < free.Length;
            _connection.Burst.Add(result.Bytes);
            Volatile.Write(ref _bytesReceived, _bytesReceived + result.Bytes);
            return true;
        }

        if (result.IsWouldBlock && _connection.AbortReason is null && !HasFailure())
        {
            return false;
        }

        Exception? failure;
        lock (_lock)
        {
            if (_waitArmed && !forWaiter && _failure is null && !result.IsError)
            {
                // An armed wait may have taken the report of a reset, which looks like an end now. Its completion comes, and tells.
                return false;
            }

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
            return true;
        }

        _ended = true;
        _connection.OnPeerClosed();
        return true;
    }

    private bool HasFailure()
    {
        lock (_lock)
        {
            return _failure is not null;
        }
    }

    private ReadResult MakeResultOrThrow() => FailureOf() is { } failure ? throw failure : MakeResult(isCanceled: false);

    /// <summary>What came before a failure is read first.</summary>
    private Exception? FailureOf()
    {
        lock (_lock)
        {
            return _aborted ?? _connection.AbortReason ?? (!_received.HasUnexamined && !_ended ? _failure : null);
        }
    }

    private ReadResult MakeResult(bool isCanceled)
    {
        _result = isCanceled ? ResultState.Tentative : ResultState.Reading;
        return new ReadResult(_received.Bytes, isCanceled, isCompleted: _ended);
    }

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    private enum ResultState : byte
    {
        None,

        /// <summary>A cancelled result was handed out: AdvanceTo may follow, and need not.</summary>
        Tentative,

        /// <summary>A result was handed out: AdvanceTo must follow.</summary>
        Reading,
    }
}
