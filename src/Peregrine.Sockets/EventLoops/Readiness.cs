namespace Peregrine.Sockets.EventLoops;

/// <summary>
/// One direction of a socket: whether an operation waits for it, and whether the loop has told of it since the last attempt. The loop tells once
/// for each change (edge-triggered), so nothing that it tells may be lost.
/// <c>None ⇄ Ready</c> while nobody waits; <c>None → Waiting → None</c>, or <c>Waiting → Aborted → None</c>: who moved it out of Waiting completes the operation.
/// </summary>
internal struct Readiness
{
    private const int None = 0;
    private const int Ready = 1;
    private const int Waiting = 2;
    private const int Aborted = 3;

    private int _state;

    /// <summary>
    /// Before an attempt of an operation that does not wait yet: what was told is older than the attempt, and no news after it. Told meanwhile, it is
    /// kept; at worst, for nothing.
    /// </summary>
    public void Forget()
    {
        if (Volatile.Read(ref _state) == Ready)
        {
            // Only the loop makes it Ready, and only this flow makes it Waiting: it is None afterwards. A full barrier, before the attempt.
            Interlocked.CompareExchange(ref _state, None, Ready);
        }
    }

    /// <summary>
    /// Begins to wait, after an attempt that brought nothing. False if the loop has told since then: it is forgotten, and the attempt must be
    /// made again.
    /// </summary>
    public bool TryWait()
    {
        // The loop tells between the attempt and here: it finds None and leaves Ready, which this finds.
        if (Interlocked.CompareExchange(ref _state, Waiting, None) == None)
        {
            return true;
        }

        Interlocked.CompareExchange(ref _state, None, Ready);
        return false;
    }

    /// <summary>The loop tells. True if an operation was waiting: the caller completes it, or waits again.</summary>
    public bool TryTake()
    {
        while (true)
        {
            switch (Volatile.Read(ref _state))
            {
                case Waiting:
                    // A release on another thread takes the same step the other way, to Aborted: one of them finds Waiting.
                    if (Interlocked.CompareExchange(ref _state, None, Waiting) == Waiting)
                    {
                        return true;
                    }

                    break;
                case None:
                    // A flow on another thread may begin to wait between the look and this: it is told as one that waits then.
                    if (Interlocked.CompareExchange(ref _state, Ready, None) == None)
                    {
                        return false;
                    }

                    break;
                case Ready:
                    // Ready already, and this is news. Not just read: a read may pass what the caller has written before, and then a flow that forgets
                    // and attempts in between sees neither. The exchange is a full barrier: who forgets it now attempts after what is told here.
                    if (Interlocked.CompareExchange(ref _state, Ready, Ready) == Ready)
                    {
                        return false;
                    }

                    break;
                default:
                    return false; // Aborted: it completes elsewhere.
            }
        }
    }

    /// <summary>The socket is released. True if an operation was waiting: the caller sees to <see cref="EndAborted"/>.</summary>
    public bool TryAbort() => Interlocked.CompareExchange(ref _state, Aborted, Waiting) == Waiting;

    /// <summary>Its completion follows, on a thread that may run it.</summary>
    public void EndAborted() => Volatile.Write(ref _state, None);
}
