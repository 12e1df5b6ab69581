using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Datagrams;

/// <summary>The stop of a receive loop: asked for, it receives what the kernel has queued by then, and no more; abandoned, what is left is not handled.</summary>
internal sealed class ReceiveStop(KernelDrops queue)
{
    private const int Idle = 0;
    private const int Handling = 1;
    private const int Abandoned = 2;
    private const int LeftBehind = 3;

    private LazySignal _requested;
    private volatile bool _isRequested;
    private long _most = long.MaxValue;
    private int _state;
    private Task _receiving = Task.CompletedTask;

    public bool IsRequested => _isRequested;

    /// <summary>Cancelled when it is asked for.</summary>
    public CancellationToken Requested => _requested.Token;

    public void Begin(Task receiving) => _receiving = receiving;

    public void Request()
    {
        Volatile.Write(ref _most, queue.MostQueued);
        _isRequested = true;
        _requested.Fire(static _ => { });
    }

    /// <summary>Whether everything has been received that was queued when the stop was asked for: a flood must not hold it up.</summary>
    public bool IsExhausted(long messages) => messages > Volatile.Read(ref _most);

    /// <summary>A handler is about to be called. False if there is no time left.</summary>
    public bool TryEnter() => Interlocked.CompareExchange(ref _state, Handling, Idle) == Idle;

    /// <summary>It has ended: see <see cref="IsLeftBehind"/>.</summary>
    public void Exit() => Interlocked.CompareExchange(ref _state, Idle, Handling);

    /// <summary>The loop was left behind with a handler: whoever did it has what it had not handed out yet, and it ends without another look.</summary>
    public bool IsLeftBehind => Volatile.Read(ref _state) == LeftBehind;

    /// <summary>No handler is called any more. True, once, if one runs, and holds the loop up: what it has not handed out is the caller's from now on.</summary>
    public bool Abandon()
    {
        _isRequested = true;
        while (true)
        {
            var before = Volatile.Read(ref _state);
            if (before is Abandoned or LeftBehind)
            {
                return false;
            }

            // The loop enters and leaves meanwhile: it sees this, or is seen here.
            if (Interlocked.CompareExchange(ref _state, before == Handling ? LeftBehind : Abandoned, before) == before)
            {
                return before == Handling;
            }
        }
    }

    /// <summary>Waits for the last handler; from the cancellation on, only for what does not run a handler any more.</summary>
    /// <returns>As of <see cref="Abandon"/>.</returns>
    public async Task<bool> WaitAsync(CancellationToken cancellationToken)
    {
        await _receiving.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_receiving.IsCompleted)
        {
            return false;
        }

        if (Abandon())
        {
            return true;
        }

        if (!IsLeftBehind)
        {
            await _receiving.ConfigureAwait(false);
        }

        return false;
    }
}
