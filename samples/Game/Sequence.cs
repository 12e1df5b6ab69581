namespace Game;

/// <summary>Of datagrams that are numbered, which are new, and how many were lost among the last 128.</summary>
internal sealed class Sequence
{
    private const int Window = 128;

    private UInt128 _seen;
    private int _expected;

    /// <summary>The highest number; zero before the first.</summary>
    public uint Latest { get; private set; }

    /// <summary>Of those between the first and the latest, at most the last 128.</summary>
    public byte LostInPercent => _expected == 0 ? (byte)0 : (byte)(100 * (_expected - (int)UInt128.PopCount(_seen)) / _expected);

    /// <summary>False for one that is older than the latest, or was there before: it was late, or sent twice by the network.</summary>
    public bool TryAdvance(uint number)
    {
        if (_expected == 0)
        {
            if (number == 0)
            {
                return false;
            }

            (Latest, _expected, _seen) = (number, 1, 1);
            return true;
        }

        // By the shorter way around, so that what comes after the last of the 32 bits is newer, too (RFC 1982).
        var ahead = (long)(int)(number - Latest);
        if (ahead <= 0)
        {
            _seen |= -ahead < _expected ? UInt128.One << (int)-ahead : 0;
            return false;
        }

        _seen = ahead >= Window ? 1 : (_seen << (int)ahead) | 1;
        _expected = (int)Math.Min(Window, _expected + ahead);
        Latest = number;
        return true;
    }
}
