namespace Game;

/// <summary>Of datagrams that are numbered, which are new, and how many were lost among the last 128.</summary>
internal sealed class Sequence
{
    private const int Window = 128;

    private UInt128 _seen;
    private uint _first;

    /// <summary>The highest number; zero before the first.</summary>
    public uint Latest { get; private set; }

    /// <summary>Of those between the first and the latest, at most the last 128.</summary>
    public byte LostInPercent
    {
        get
        {
            var expected = (int)Math.Min(Window, Latest - _first + 1);
            var window = expected == Window ? UInt128.MaxValue : (UInt128.One << expected) - 1;
            return Latest == 0 ? (byte)0 : (byte)(100 * (expected - (int)UInt128.PopCount(_seen & window)) / expected);
        }
    }

    /// <summary>False for one that is older than the latest, or was there before: it was late, or sent twice by the network.</summary>
    public bool TryAdvance(uint number)
    {
        if (Latest == 0)
        {
            (_first, Latest, _seen) = (number, number, 1);
            return number != 0;
        }

        if (number <= Latest)
        {
            var behind = Latest - number;
            _seen |= behind < Window && number >= _first ? UInt128.One << (int)behind : 0;
            return false;
        }

        var ahead = number - Latest;
        _seen = ahead >= Window ? 1 : (_seen << (int)ahead) | 1;
        Latest = number;
        return true;
    }
}
