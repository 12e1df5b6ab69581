namespace Peregrine.Middleware.Tls;

/// <summary>
/// Keeps the close_notify away from a read that is decrypting: <see cref="System.Net.Security.SslStream"/> locks its reads and writes against each other,
/// but not its shutdown.
/// </summary>
internal struct TlsTurn
{
    private const int Free = 0;
    private const int Decrypting = 1;
    private const int ShutDownWaits = 2;
    private const int ShuttingDown = 3;

    private int _state;

    /// <summary>TLS is about to decrypt. A shutdown that is under way, on another thread, is over in a moment.</summary>
    public void BeginDecrypting()
    {
        var spin = default(SpinWait);
        while (Interlocked.CompareExchange(ref _state, Decrypting, Free) == ShuttingDown)
        {
            spin.SpinOnce();
        }
    }

    /// <summary>TLS asks for more, or is done. True if a shutdown waits: the caller runs it. Without effect on one that is under way.</summary>
    public bool EndDecrypting()
    {
        if (Interlocked.CompareExchange(ref _state, Free, Decrypting) != ShutDownWaits)
        {
            return false;
        }

        // Only the reading side, whose call this is, leaves that state.
        Volatile.Write(ref _state, Free);
        return true;
    }

    /// <summary>False if it must wait: <see cref="EndDecrypting"/> tells when.</summary>
    public bool TryBeginShutDown()
    {
        while (true)
        {
            if (Interlocked.CompareExchange(ref _state, ShuttingDown, Free) == Free)
            {
                return true;
            }

            // Fails only if the read has gone on meanwhile.
            if (Interlocked.CompareExchange(ref _state, ShutDownWaits, Decrypting) == Decrypting)
            {
                return false;
            }
        }
    }

    public void EndShutDown() => Volatile.Write(ref _state, Free);
}
