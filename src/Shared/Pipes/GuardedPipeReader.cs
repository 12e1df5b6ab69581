using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace Peregrine;

/// <summary>
/// What a <see cref="PipeReader"/> of a connection is apart from where its bytes come from: one flow that reads, which may wait once, and which others may
/// cancel or complete at any time.
/// </summary>
/// <remarks>
/// What the reader keeps belongs to the application's flow, or, while that waits, to the completion that ends its wait. Only what cancellation and
/// completions share is under the <see cref="Gate"/>.
/// </remarks>
internal abstract class GuardedPipeReader : PipeReader, IValueTaskSource<ReadResult>
{
    // Under the gate.
    private PendingOperation _pending;
    private volatile bool _completed;
    private bool _givesBackAtEnd;

    // The flow's own, behind the guard, or the completion's while the flow waits.
    private FlowGuard _guard;
    private ManualResetValueTaskSourceCore<ReadResult> _source;
    private ReadResultState _result;
    private Exception? _endException;

    /// <summary>The application waits for something to read. Looked at without the gate: it may be a little old.</summary>
    public bool IsReading => _pending.IsWaiting;

    /// <summary>A plain object, for a connection that waits keeps it: a lock of its own type is larger.</summary>
    protected object Gate { get; } = new();

    /// <summary>The read that waits; under the gate.</summary>
    protected ref PendingOperation Pending => ref _pending;

    protected bool IsCompleted => _completed;

    /// <summary>A call is at work, or the completion has begun.</summary>
    protected bool IsBusy => _guard.IsBusy;

    public sealed override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public sealed override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        Enter();
        try
        {
            if (_result == ReadResultState.None || !_pending.IsNone)
            {
                throw PipeMisuse.NoReadToAdvance();
            }

            Advance(consumed, examined);
            _result = ReadResultState.None;
        }
        finally
        {
            Exit();
        }
    }

    public sealed override void CancelPendingRead()
    {
        CancellationTokenRegistration registration;
        lock (Gate)
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
    public sealed override void Complete(Exception? exception = null)
    {
        lock (Gate)
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

    /// <summary>Takes what was consumed out of what is kept.</summary>
    protected abstract void Advance(SequencePosition consumed, SequencePosition examined);

    /// <summary>What is kept, as a result, of which <see cref="HandedOut"/> is told.</summary>
    protected abstract ReadResult MakeResult(bool isCanceled);

    /// <summary>Why a read that is not cancelled fails; null if it does not.</summary>
    protected abstract Exception? FailureOf();

    /// <summary>The reader is completed: gives everything back that is kept. Called once; nobody else is at it.</summary>
    protected abstract void GiveBack();

    /// <summary>The reader is completed, and no call is inside any more. A completion may still be at work for a read that waited.</summary>
    protected abstract void OnLeft();

    /// <summary>Lets <see cref="EndCanceled"/> be called, elsewhere.</summary>
    protected abstract void ScheduleEnd();

    protected void HandedOut(bool isCanceled) => _result = isCanceled ? ReadResultState.Tentative : ReadResultState.Reading;

    protected void Enter()
    {
        if (_completed || !_guard.TryEnter())
        {
            throw _completed ? PipeMisuse.ReadAfterCompletion() : PipeMisuse.ReadOnAnotherThread();
        }
    }

    protected void Exit()
    {
        if (_guard.Exit())
        {
            CompleteInside();
            throw PipeMisuse.CompletedDuringCall();
        }
    }

    protected void ThrowIfReadingIsNotAllowed()
    {
        if (_result == ReadResultState.Reading || !_pending.IsNone)
        {
            throw PipeMisuse.ReadInProgress();
        }
    }

    /// <summary>A wait begins. Under the gate; <see cref="Wait"/> follows, outside.</summary>
    protected void BeginWaitLocked(CancellationToken cancellationToken)
    {
        _source.Reset();
        _pending.Begin(cancellationToken);
    }

    /// <summary>The token cancels the wait that has begun.</summary>
    protected void Register(CancellationToken cancellationToken) =>
        _pending.Register(Gate, static (state, token) => ((GuardedPipeReader)state!).OnTokenCanceled(token), this, cancellationToken);

    /// <summary>What the caller of a read that waits gets.</summary>
    protected ValueTask<ReadResult> Wait() => new(this, _source.Version);

    /// <summary>Who cancels or aborts must not find itself running the application's code.</summary>
    protected void EndOnScheduler(Exception? exception)
    {
        _endException = exception;
        ScheduleEnd();
    }

    protected void EndCanceled()
    {
        var exception = _endException;
        _endException = null;
        EndRead(isCanceled: true, exception);
    }

    /// <summary>Ends the read that waited. The caller has moved it out of waiting.</summary>
    protected void EndRead(bool isCanceled, Exception? exception)
    {
        exception ??= isCanceled ? null : FailureOf();
        var result = exception is null ? MakeResult(isCanceled) : default;
        bool completed, givesBack;
        lock (Gate)
        {
            // Completed, and not left to this: the completion, or the call that is inside, comes to it, and finds that nothing waits.
            completed = _completed;
            givesBack = _givesBackAtEnd;
            _pending.End();
        }

        if (givesBack)
        {
            GiveBack();
        }

        if (completed)
        {
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

    private void CompleteInside()
    {
        CancellationTokenRegistration registration = default;
        bool isReading, isWaiting;
        lock (Gate)
        {
            isReading = !_pending.IsNone;
            isWaiting = _pending.IsWaiting;
            _givesBackAtEnd = isReading;
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
            GiveBack();
        }

        // Otherwise a completion is at work: it finds the reader completed, and gives everything back.
        OnLeft();
    }

    private void OnTokenCanceled(CancellationToken token)
    {
        lock (Gate)
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

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}
