using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Middleware.Tls;

/// <summary>
/// A <see cref="PipeReader"/> that decrypts straight into pooled blocks. It waits by a read without a buffer, during which neither it nor
/// <see cref="SslStream"/> holds any, and then reads what has come into a block.
/// </summary>
/// <remarks>
/// A read of <see cref="SslStream"/> cannot be given up: when the application gives up its own, it goes on, and the next one takes what it brings.
/// The chain of blocks belongs to the application's flow, or to the completion that ends its wait. Only what cancellation and completions share is
/// under <see cref="_lock"/>.
/// </remarks>
internal sealed partial class TlsPipeReader : PipeReader, IValueTaskSource<ReadResult>, IThreadPoolWorkItem
{
    private readonly Lock _lock = new();
    private readonly TlsSession _session;
    private readonly SslStream _tls;
    private readonly Action _goOn;

    // Under the lock.
    private PendingOperation _pending;
    private ReadWait _wait;
    private volatile bool _completed;
    private TaskCompletionSource? _idle;

    // The wait's, and the flow's when it has arrived.
    private ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter _awaiter;
    private volatile BufferSegment? _target;
    private int _arrivedBytes;
    private Exception? _arrivedFailure;
    private int _readSize;
    private bool _wasSmall;

    // The flow's own, behind the guard, or the completion's while the flow waits.
    private FlowGuard _guard;
    private ManualResetValueTaskSourceCore<ReadResult> _source;
    private ReceiveChain _chain;
    private long _consumed;
    private bool _ended;
    private Exception? _failure;
    private ReadResultState _result;
    private Exception? _endException;

    public TlsPipeReader(TlsSession session, SslStream tls)
    {
        _session = session;
        _tls = tls;
        _goOn = GoOn;
        _readSize = session.Settings.SmallestBlockInBytes;
    }

    /// <summary>Decrypted and not consumed. May be read from any thread, and is a little old then.</summary>
    public long UnreadBytes => _chain.Length + Volatile.Read(ref _arrivedBytes);

    /// <summary>What that keeps. As above.</summary>
    public long UnreadMemory => _chain.Kept + (_target?.BlockLength ?? 0);

    /// <summary>Consumed by the application. As above.</summary>
    public long ConsumedBytes => Volatile.Read(ref _consumed);

    /// <summary>The application waits. As above.</summary>
    public bool IsReading => _pending.IsWaiting;

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

            ReadResult result;
            while (!TryTakeResult(out result))
            {
                if (!TryArrive() && TryWait(cancellationToken))
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

    /// <remarks>One that finds nothing leaves a wait armed, without which nothing would come.</remarks>
    public override bool TryRead(out ReadResult result)
    {
        Enter();
        try
        {
            ThrowIfReadingIsNotAllowed();
            return TryTakeResult(out result) || (TryArrive() && TryTakeResult(out result));
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

            var before = _chain.Length;
            _chain.Advance(consumed, examined);
            Volatile.Write(ref _consumed, _consumed + before - _chain.Length);
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

    /// <summary>After <see cref="Complete"/>, and the end of the stream's reading: completes when nothing reads from TLS any more.</summary>
    public Task WhenIdleAsync()
    {
        lock (_lock)
        {
            if (_wait != ReadWait.Armed)
            {
                return Task.CompletedTask;
            }

            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task;
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
        BufferSegment? arrived = null;
        bool isReading, isWaiting;
        lock (_lock)
        {
            isReading = !_pending.IsNone;
            isWaiting = _pending.IsWaiting;
            if (isWaiting)
            {
                registration = _pending.BeginEnding(byCancel: true);
            }

            if (!isReading && _wait == ReadWait.Arrived)
            {
                arrived = TakeTarget();
            }
        }

        arrived?.Return();
        if (isWaiting)
        {
            registration.Unregister();
            EndOnScheduler(exception: null);
        }
        else if (!isReading)
        {
            _chain.Return();
        }

        // Otherwise a completion is at work on the chain: it finds the reader completed, and gives the blocks back.

        // A read that has ended without a wait tells nobody else.
        TaskCompletionSource? idle;
        lock (_lock)
        {
            idle = _wait == ReadWait.Armed ? null : _idle;
        }

        idle?.TrySetResult();
    }

    private void ThrowIfReadingIsNotAllowed()
    {
        if (_result == ReadResultState.Reading || !_pending.IsNone)
        {
            throw PipeMisuse.ReadInProgress();
        }
    }

    /// <summary>The result that can be had without waiting, if there is one.</summary>
    private bool TryTakeResult(out ReadResult result)
    {
        ReadWait wait;
        lock (_lock)
        {
            if (_pending.TakeCancelRequest())
            {
                result = MakeResult(isCanceled: true);
                return true;
            }

            wait = _wait;
        }

        if (!_chain.HasUnexamined && !_ended && _failure is null)
        {
            _session.ThrowIfTooMuchIsUnread(_chain.Length);
            if (wait != ReadWait.Arrived)
            {
                result = default;
                return false;
            }

            TakeArrived();
        }

        result = FailureOf() is { } failure ? throw failure : MakeResult(isCanceled: false);
        return true;
    }

    /// <summary>Begins to wait for what is armed. False if it has arrived already.</summary>
    private bool TryWait(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_wait == ReadWait.Arrived || _pending.IsCancelRequested)
            {
                return false;
            }

            Debug.Assert(_wait == ReadWait.Armed);
            _source.Reset();
            _pending.Begin(cancellationToken);
        }

        _pending.Register(_lock, static (state, token) => ((TlsPipeReader)state!).OnTokenCanceled(token), this, cancellationToken);
        return true;
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

    /// <summary>Who cancels must not find itself running the application's code.</summary>
    private void EndOnScheduler(Exception? exception)
    {
        _endException = exception;
        _session.Schedule(this);
    }

    void IThreadPoolWorkItem.Execute()
    {
        var exception = _endException;
        _endException = null;
        EndRead(isCanceled: true, exception);
    }

    private void EndRead(bool isCanceled, Exception? exception)
    {
        exception ??= isCanceled ? null : FailureOf();
        var result = exception is null ? MakeResult(isCanceled) : default;
        BufferSegment? arrived = null;
        bool completed;
        lock (_lock)
        {
            completed = _completed;
            _pending.End();
            if (completed && _wait == ReadWait.Arrived)
            {
                arrived = TakeTarget();
            }
        }

        if (completed)
        {
            arrived?.Return();
            _chain.Return();
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

    /// <summary>What came before a failure is read first.</summary>
    private Exception? FailureOf() => !_chain.HasUnexamined ? _failure : null;

    private ReadResult MakeResult(bool isCanceled)
    {
        _result = isCanceled ? ReadResultState.Tentative : ReadResultState.Reading;
        return new ReadResult(_chain.Bytes, isCanceled, isCompleted: _ended);
    }

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token) => _source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}
