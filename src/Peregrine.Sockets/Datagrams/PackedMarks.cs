namespace Peregrine.Sockets.Datagrams;

/// <summary>What is to be said in the header of a datagram, checked; quick to compare.</summary>
/// <param name="TypeOfService">DSCP and ECN; negative, it is that of the socket.</param>
/// <param name="TimeToLive">Negative, it is that of the socket.</param>
internal readonly record struct PackedMarks(short TypeOfService, short TimeToLive)
{
    private const int DscpShift = 2;
    private const int LargestDscp = 63;
    private const int EcnMask = 3;

    public static readonly PackedMarks OfSocket = new(-1, -1);

    /// <param name="marks">As they were asked for.</param>
    /// <param name="socketDscp">The socket's, for marks that say the ECN only.</param>
    /// <exception cref="ArgumentOutOfRangeException">A mark is out of its range.</exception>
    public static PackedMarks Of(in DatagramMarks marks, int socketDscp)
    {
        if (marks is { Dscp: null, Ecn: null, TimeToLive: null })
        {
            return OfSocket;
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(marks.Dscp ?? 0, LargestDscp, "marks.Dscp");
        ArgumentOutOfRangeException.ThrowIfGreaterThan((int)(marks.Ecn ?? 0), EcnMask, "marks.Ecn");
        ArgumentOutOfRangeException.ThrowIfZero(marks.TimeToLive ?? byte.MaxValue, "marks.TimeToLive");
        return new PackedMarks(
            marks.Dscp is null && marks.Ecn is null ? (short)-1 : (short)(((marks.Dscp ?? socketDscp) << DscpShift) | (int)(marks.Ecn ?? 0)),
            marks.TimeToLive is { } hops ? hops : (short)-1);
    }

    /// <summary>What a header said; negative numbers are what it was not asked for.</summary>
    public static DatagramMarks ToMarks(int typeOfService, int timeToLive) => new(
        typeOfService < 0 ? null : (byte)(typeOfService >> DscpShift),
        typeOfService < 0 ? null : (EcnCodepoint)(typeOfService & EcnMask),
        timeToLive < 0 ? null : (byte)timeToLive);
}
