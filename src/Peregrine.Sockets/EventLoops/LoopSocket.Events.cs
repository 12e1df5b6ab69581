using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.EventLoops;

/// <content>What the loop tells, and what it completes by that.</content>
internal sealed partial class LoopSocket
{
    private const uint GoneEvents = EpollSet.PeerClosed | EpollSet.HangUp | EpollSet.Error;

    // Events after which a receive that does not fill its buffer proves nothing: a FIN or an error may be behind the bytes and is not told
    // again, and urgent data ends a receive early.
    private const uint MoreEvents = GoneEvents | EpollSet.Urgent;

    private const int ReceiveTaken = 1;
    private const int SendTaken = 2;

    private int _taken;

    public override void OnEvents(uint events) => Complete(Take(events));

    public override bool TryNote(uint events)
    {
        var taken = Take(events);
        if (taken == 0)
        {
            return false;
        }

        // Another event may come before this one is run: then one of the two runs both.
        Interlocked.Or(ref _taken, taken);
        return true;
    }

    public override void Execute()
    {
        try
        {
            Complete(Interlocked.Exchange(ref _taken, 0));
        }
        catch (Exception exception)
        {
            SocketsLog.LoopWorkFailed(Origin.Logger, Origin.EndPoint, exception);
        }
    }

    /// <summary>All of an event is noted before anything is completed: a completion may run for long, and what is not noted is not told again.</summary>
    private int Take(uint events)
    {
        if ((events & MoreEvents) != 0)
        {
            // Before the directions are told of it: who is told then knows it.
            _mayHideMore = true;
            NoteGone(events & GoneEvents);
        }

        var taken = 0;
        if ((events & (ReadEvents | GoneEvents)) != 0 && _read.TryTake())
        {
            taken |= ReceiveTaken;
        }

        if ((events & (EpollSet.Writable | EpollSet.HangUp | EpollSet.Error)) != 0 && _write.TryTake())
        {
            taken |= SendTaken;
        }

        return taken;
    }

    private void Complete(int taken)
    {
        if (taken == (ReceiveTaken | SendTaken))
        {
            // The one must not wait for what the other runs.
            ThreadPool.UnsafeQueueUserWorkItem(static socket => socket.CompleteSend(), this, preferLocal: false);
        }
        else if (taken == SendTaken)
        {
            CompleteSend();
        }

        if ((taken & ReceiveTaken) != 0)
        {
            CompleteReceive();
        }
    }

    private void CompleteReceive()
    {
        IoResult result;
        do
        {
            result = ReceiveNow(_receiving!);
            if (!result.IsWouldBlock)
            {
                break;
            }

            // Told of something else, such as urgent data.
            if (_read.TryWait() && !IsOver(ref _read, ref result))
            {
                return;
            }
        }
        while (result.IsWouldBlock);

        _completions.OnReceived(result);
    }

    private void CompleteSend()
    {
        IoResult result;
        do
        {
            result = TrySend(_sending.Span);
            if (!result.IsWouldBlock)
            {
                break;
            }

            if (_write.TryWait() && !IsOver(ref _write, ref result))
            {
                return;
            }
        }
        while (result.IsWouldBlock);

        _sending = default;
        _completions.OnSent(result);
    }

    private void EndAbortedReceive()
    {
        _read.EndAborted();
        _completions.OnReceived(IoResult.Released);
    }

    private void EndAbortedSend()
    {
        _write.EndAborted();
        _sending = default;
        _completions.OnSent(IoResult.Released);
    }
}
