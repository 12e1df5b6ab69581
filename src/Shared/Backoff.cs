namespace Peregrine;

/// <summary>The waits between attempts that fail: 5 ms, doubling to 1 s.</summary>
internal struct Backoff
{
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    private TimeSpan _delay;

    /// <summary>An attempt has succeeded.</summary>
    public void Reset() => _delay = TimeSpan.Zero;

    public TimeSpan Next()
    {
        _delay = _delay == TimeSpan.Zero ? Shortest : _delay * 2 > Longest ? Longest : _delay * 2;
        return _delay;
    }
}
