using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Datagrams;

/// <summary>The stop of a receive loop: asked for, it receives what the kernel has queued by then, and no more; abandoned, what is left is not handled.</summary>
internal sealed class ReceiveStop(KernelDrops queue)
{
    // The kernel's structures of a message, which is one datagram or several that came as one, are larger (socket(7)): so many are not queued.
    private const int LeastBytesOfAMessage = 256;

    private const int Idle = 0;
    private const int Handling = 1;

    private LazySignal _requested;
    private volatile bool _isRequested;
    private volatile bool _isAbandoned;
    private long _most = long.MaxValue;
    private int _state;
    private Task _receiving = Task.CompletedTask;

    public bool IsRequested => _isRequested;

    /// <summary>Cancelled when it is asked for.</summary>
    public CancellationToken Requested => _requested.Token;

    public void Begin(Task receiving) => _receiving = receiving;

    public void Request()
    {
        if (queue.QueuedBytes is { } bytes)
        {
            Volatile.Write(ref _most, bytes / LeastBytesOfAMessage);
        }

        _isRequested = true;
        _requested.Fire(static _ => { });
    }

    /// <summary>Whether everything has been received that was queued when the stop was asked for: a flood must not hold it up.</summary>
    public bool IsExhausted(long messages) => messages > Volatile.Read(ref _most);

    /// <summary>A handler is about to be called. False if there is no time left.</summary>
    public bool TryEnter()
    {
        // A full barrier: who abandons it sees that a handler runs, or is seen here.
        Interlocked.Exchange(ref _state, Handling);
        if (!_isAbandoned)
        {
            return true;
        }

        Exit();
        return false;
    }

    public void Exit() => Volatile.Write(ref _state, Idle);

    public void Abandon()
    {
        _isAbandoned = true;
        _isRequested = true;
        Interlocked.MemoryBarrier();
    }

    /// <summary>Waits for the last handler; from the cancellation on, only for what does not run a handler any more.</summary>
    /// <returns>False if a handler still runs, and holds the loop up: what is queued is not received.</returns>
    public async Task<bool> WaitAsync(CancellationToken cancellationToken)
    {
        await _receiving.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_receiving.IsCompleted)
        {
            return true;
        }

        Abandon();
        if (Volatile.Read(ref _state) != Idle)
        {
            return false;
        }

        await _receiving.ConfigureAwait(false);
        return true;
    }
}
