namespace Peregrine.Sockets.EventLoops;

/// <summary>
/// Whether a loop that has run out of events looks for more, for a moment, before it sleeps. A loop that sleeps is woken by whoever sends to it: for a
/// peer on the same machine that is an interrupt to an idle core, and in a virtual machine an exit from it. So a loop that is quick, and sleeps between two
/// messages, makes its peers slower than one that is slow.
/// </summary>
/// <remarks>
/// Looking in vain costs the loop's core that moment. Where fewer than two of three find something, it is done less and less: a loop whose messages come
/// seldom, or whose core others want, looks in one of <see cref="MostSkipped"/> waits. With a quota of CPU time, none does.
/// </remarks>
internal struct WaitSpin
{
    /// <summary>How many waits in a row sleep at once, at most.</summary>
    public const int MostSkipped = 1 << (MostMisses - MissWeight);

    private const int MissWeight = 2;
    private const int MostMisses = 10;

    private int _misses;
    private int _skipped;

    /// <summary>For how long it looks: about what a busy server's next message takes to come. With more, only the CPU time grows.</summary>
    public static TimeSpan Limit { get; } = TimeSpan.FromMicroseconds(15);

    /// <summary>A wait begins. True if it looks before it sleeps: if there is nothing at first, <see cref="Hit"/> or <see cref="Miss"/> follows.</summary>
    public bool TryBegin()
    {
        if (_skipped == 0)
        {
            return true;
        }

        _skipped--;
        return false;
    }

    /// <summary>Something came meanwhile.</summary>
    public void Hit() => _misses = Math.Max(0, _misses - 1);

    /// <summary>Nothing came.</summary>
    public void Miss()
    {
        _misses = Math.Min(_misses + MissWeight, MostMisses);
        _skipped = 1 << (_misses - MissWeight);
    }
}
