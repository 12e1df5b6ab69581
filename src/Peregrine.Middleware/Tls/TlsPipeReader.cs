using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Security;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Middleware.Tls;

/// <summary>
/// A <see cref="PipeReader"/> that decrypts straight into pooled blocks. It waits by a read without a buffer, during which neither it nor
/// <see cref="SslStream"/> holds any, and then reads what has come into a block.
/// </summary>
/// <remarks>
/// A read of <see cref="SslStream"/> cannot be given up: when the application gives up its own, it goes on, and the next one takes what it brings.
/// </remarks>
internal sealed partial class TlsPipeReader : GuardedPipeReader, IThreadPoolWorkItem
{
    private readonly TlsSession _session;
    private readonly SslStream _tls;
    private readonly Action _goOn;

    // Under the gate.
    private ReadWait _wait;
    private TaskCompletionSource? _idle;

    // The wait's, and the flow's when it has arrived.
    private ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter _awaiter;
    private volatile BufferSegment? _target;
    private int _arrivedBytes;
    private Exception? _arrivedFailure;
    private int _readSize;
    private bool _wasSmall;

    // The flow's own, or the completion's while the flow waits.
    private ReceiveChain _chain;
    private long _consumed;
    private bool _ended;
    private Exception? _failure;

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
                    return Wait();
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

    /// <summary>After the reader's completion, and the end of the stream's reading: completes when nothing reads from TLS any more.</summary>
    public Task WhenIdleAsync()
    {
        lock (Gate)
        {
            if (_wait != ReadWait.Armed)
            {
                return Task.CompletedTask;
            }

            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task;
        }
    }

    /// <summary>The result that can be had without waiting, if there is one.</summary>
    private bool TryTakeResult(out ReadResult result)
    {
        ReadWait wait;
        lock (Gate)
        {
            if (Pending.TakeCancelRequest())
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
        lock (Gate)
        {
            if (_wait == ReadWait.Arrived || Pending.IsCancelRequested)
            {
                return false;
            }

            Debug.Assert(_wait == ReadWait.Armed);
            BeginWaitLocked(cancellationToken);
        }

        Register(cancellationToken);
        return true;
    }

    protected override void Advance(SequencePosition consumed, SequencePosition examined)
    {
        var before = _chain.Length;
        _chain.Advance(consumed, examined);
        Volatile.Write(ref _consumed, _consumed + before - _chain.Length);
    }

    protected override void GiveBack()
    {
        BufferSegment? arrived;
        lock (Gate)
        {
            arrived = _wait == ReadWait.Arrived ? TakeTarget() : null;
        }

        arrived?.Return();
        _chain.Return();
    }

    protected override void OnLeft()
    {
        // A read that has ended without a wait tells nobody else.
        TaskCompletionSource? idle;
        lock (Gate)
        {
            idle = _wait == ReadWait.Armed ? null : _idle;
        }

        idle?.TrySetResult();
    }

    protected override void ScheduleEnd() => _session.Schedule(this);

    void IThreadPoolWorkItem.Execute() => EndCanceled();

    /// <summary>What came before a failure is read first.</summary>
    protected override Exception? FailureOf() => !_chain.HasUnexamined ? _failure : null;

    protected override ReadResult MakeResult(bool isCanceled)
    {
        HandedOut(isCanceled);
        return new ReadResult(_chain.Bytes, isCanceled, isCompleted: _ended);
    }
}
