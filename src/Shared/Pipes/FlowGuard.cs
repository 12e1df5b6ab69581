namespace Peregrine;

/// <summary>
/// Keeps the completion of a reader or writer away from a call that is at work on its chain: the server completes a connection when its
/// handler is done, while a call of somebody else (a broadcast, a forgotten task) may be inside. Whoever leaves last completes.
/// </summary>
internal struct FlowGuard
{
    private const int Free = 0;
    private const int Busy = 1;
    private const int CompletionWaits = 2;

    private int _state;

    /// <summary>A call is inside, or the completion has begun.</summary>
    public bool IsBusy => Volatile.Read(ref _state) != Free;

    /// <summary>False if another call is inside, or the completion has begun.</summary>
    public bool TryEnter() => Interlocked.CompareExchange(ref _state, Busy, Free) == Free;

    /// <summary>True if a completion came meanwhile: the caller runs it. The guard stays closed then.</summary>
    public bool Exit() => Interlocked.CompareExchange(ref _state, Free, Busy) == CompletionWaits;

    /// <summary>True if the caller may complete now; false if the call that is inside does it when it leaves.</summary>
    public bool TryComplete()
    {
        while (true)
        {
            var before = Interlocked.CompareExchange(ref _state, Busy, Free);
            if (before != Busy)
            {
                // Free: it is the caller's now. Otherwise another completion waits already, and one is enough.
                return before == Free;
            }

            // Fails only if the call that was inside has left meanwhile.
            if (Interlocked.CompareExchange(ref _state, CompletionWaits, Busy) == Busy)
            {
                return false;
            }
        }
    }
}
