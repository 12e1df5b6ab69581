namespace Peregrine.Sockets.Connections;

/// <summary>
/// Counts what one connection gets done: what since its last wait, so that it gives its thread to the others in between, and whether anything at all,
/// so that who looks at it now and then sees whether it is worth a look.
/// </summary>
internal struct Burst
{
    private const uint MostOperations = 64;
    private const int MostBytes = 1 << 20;

    // Both directions count without a lock: a count may be lost beside another, but not both.
    private uint _operations;
    private uint _before;
    private int _bytes;

    public readonly bool IsOver => _operations - _before >= MostOperations || _bytes >= MostBytes;

    /// <summary>Another number after every operation, and every wait.</summary>
    public readonly uint Stamp => Volatile.Read(in _operations);

    public void Add(int bytes)
    {
        Count();
        _bytes += Math.Min(bytes, MostBytes);
    }

    /// <summary>An operation that was waited for.</summary>
    public void Touch()
    {
        Count();
        _before++;
    }

    /// <summary>A wait has given the thread to others.</summary>
    public void Restart()
    {
        Count();
        _before = _operations;
        _bytes = 0;
    }

    // Published behind what it counts.
    private void Count() => Volatile.Write(ref _operations, _operations + 1);
}
