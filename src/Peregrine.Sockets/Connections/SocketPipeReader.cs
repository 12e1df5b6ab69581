using System.Diagnostics;
using System.IO.Pipelines;
using Peregrine.Features;

namespace Peregrine.Sockets.Connections;

/// <summary>
/// A <see cref="PipeReader"/> that receives straight from the socket into pooled blocks. Nothing is received unless the application asks,
/// so the kernel's window is the backpressure, and a reader that waits holds no block (<see cref="Receiver{TSocket}"/>).
/// </summary>
internal sealed partial class SocketPipeReader<TSocket> : GuardedPipeReader, IReceiveBuffer, IThreadPoolWorkItem
    where TSocket : struct, IStreamSocket
{
    private readonly StreamConnection<TSocket> _connection;

    // Under the gate.
    private ReadWait _wait;
    private IoResult _arrived;
    private Exception? _aborted;
    private Exception? _failure;
    private InputDiscard<TSocket>? _discard;
    private bool _left;
    private bool _gaveBack;

    // The flow's own, or the completion's while the flow waits.
    private Receiver<TSocket> _receiver;
    private bool _ended;

    public SocketPipeReader(TSocket socket, StreamConnection<TSocket> connection)
    {
        _connection = connection;
        _receiver = new Receiver<TSocket>(socket, connection);
    }

    public long BytesReceived => _receiver.Bytes;

    /// <summary>Received and not consumed.</summary>
    public long UnreadBytes => _receiver.Chain.Length + ArrivedBytes;

    /// <summary>What that keeps.</summary>
    public long UnreadMemory => _receiver.Chain.Kept + _receiver.RentedBytes;

    /// <summary>The peer's FIN has been received.</summary>
    public bool HasEnded => _ended;

    /// <summary>What the wait of a cancelled read has brought. May be read from any thread, and is a little old then.</summary>
    private int ArrivedBytes => _wait == ReadWait.Arrived && !_gaveBack ? _arrived.Bytes : 0;

    private StreamSettings Settings => _connection.Settings;

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

    /// <summary>Ends the pending read, and every later one, with <paramref name="exception"/>.</summary>
    public void Abort(Exception exception)
    {
        CancellationTokenRegistration registration;
        lock (Gate)
        {
            _aborted ??= exception;
            if (!Pending.IsWaiting)
            {
                return;
            }

            registration = Pending.BeginEnding(byCancel: true);
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
        lock (Gate)
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
            lock (Gate)
            {
                return _failure is not null || _wait == ReadWait.Armed || (_wait == ReadWait.Arrived && (_arrived.Bytes == 0 || _arrived.IsError)) || (!IsCompleted && IsBusy);
            }
        }
    }

    /// <summary>
    /// After <see cref="GuardedPipeReader.Complete"/>: completions go to <paramref name="discard"/> from now on. True if it is begun here: a wait is armed, whose
    /// completion will come, or a call is still inside, which may be about to receive.
    /// </summary>
    public bool HandOver(InputDiscard<TSocket> discard)
    {
        lock (Gate)
        {
            _discard = discard;
            return _wait == ReadWait.Armed || !_left;
        }
    }

    /// <summary>The result that can be had without waiting, if there is one.</summary>
    private bool TryTakeResult(bool receive, out ReadResult result)
    {
        ReadWait wait;
        lock (Gate)
        {
            if (_aborted is not null)
            {
                throw _aborted;
            }

            if (Pending.TakeCancelRequest())
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
        if (_receiver.Chain.Length >= Settings.MaxUnreadBytes)
        {
            _connection.TrySetReason(ConnectionCloseReason.UnreadLimit);
            throw PipeMisuse.TooMuchUnread(_receiver.Chain.Length, Settings.MaxUnreadBytes);
        }
    }

    /// <summary>Begins to wait for the completion of what is armed, or is armed by the scheduler. False if it has come already.</summary>
    private bool TryWait(bool yields, CancellationToken cancellationToken)
    {
        bool arm;
        lock (Gate)
        {
            if (_aborted is not null)
            {
                throw _aborted;
            }

            if (_wait == ReadWait.Arrived || Pending.IsCancelRequested)
            {
                return false;
            }

            BeginWaitLocked(cancellationToken);
            arm = _wait == ReadWait.None;
            _wait = ReadWait.Armed;
        }

        Register(cancellationToken);

        if (arm)
        {
            // The thread is given to others first. The wait counts as armed, and ends at once if there is something to receive.
            Debug.Assert(yields);
            _connection.Burst.Restart();
            Settings.Schedule(this);
        }

        return true;
    }

    /// <summary>The end of a yield.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        if (_receiver.Receive(this, out var result))
        {
            OnReceived(result);
        }
    }

    protected override void Advance(SequencePosition consumed, SequencePosition examined) => _receiver.Chain.Advance(consumed, examined);

    protected override void GiveBack()
    {
        _receiver.Chain.Return();
        bool hasArrived;
        lock (Gate)
        {
            // What arrives from here on, its completion gives back.
            _gaveBack = true;
            hasArrived = _wait == ReadWait.Arrived;
        }

        if (hasArrived)
        {
            _receiver.Return();
            if (_arrived.IsError)
            {
                // Nobody takes it any more, and a send may have left it to the reader to tell.
                NoteEnd(_arrived);
            }
        }
    }

    protected override void OnLeft()
    {
        InputDiscard<TSocket>? discard;
        lock (Gate)
        {
            _left = true;
            discard = _wait == ReadWait.Armed ? null : _discard;
        }

        discard?.Run();
    }

    protected override void ScheduleEnd() =>
        Settings.Scheduler.Schedule(static state => ((SocketPipeReader<TSocket>)state!).EndCanceled(), this);

    private ReadResult MakeResultOrThrow() => FailureOf() is { } failure ? throw failure : MakeResult(isCanceled: false);

    /// <summary>What came before a failure is read first.</summary>
    protected override Exception? FailureOf()
    {
        lock (Gate)
        {
            return _aborted ?? _connection.AbortReason ?? (!_receiver.Chain.HasUnexamined && !_ended ? _failure : null);
        }
    }

    protected override ReadResult MakeResult(bool isCanceled)
    {
        HandedOut(isCanceled);
        return new ReadResult(_receiver.Chain.Bytes, isCanceled, isCompleted: _ended);
    }
}
