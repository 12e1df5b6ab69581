namespace Peregrine.Protocols.Netstrings;

internal static class Netstring
{
    /// <summary>Those of <c>0:,</c>.</summary>
    public const int FewestBytes = 3;

    /// <summary>The ten digits of the largest limit, and the colon.</summary>
    public const int MostOfHeader = 11;

    /// <summary>Of a whole netstring.</summary>
    public static long SizeOf(long length)
    {
        var size = length + FewestBytes;
        for (; length >= 10; length /= 10)
        {
            size++;
        }

        return size;
    }
}
