namespace Peregrine.Sockets.EventLoops;

/// <summary>
/// How many bytes more the kernel is given before it is asked how much the peer has room for. It looks at TCP_NOTSENT_LOWAT (tcp(7)) only where a new
/// segment begins, and one is up to 64 KiB: for a peer that takes nothing, it would hold as much more. What the peer has promised to take can be given
/// to it at once, and does not stay.
/// </summary>
/// <remarks>
/// The end of the peer's window never moves back (RFC 9293 §3.8.6): what is allowed stays allowed, for any time. So a peer that reads is asked about once
/// a window, and one with small answers once in many of them.
/// </remarks>
internal struct SendAllowance
{
    /// <summary>What may be unsent beyond the watermark: more than the kernel would refuse, or it would not tell when there is room again.</summary>
    private const int BeyondWatermark = 16 * 1024;

    /// <summary>Rather this than a segment of a few bytes, where a peer has taken its promise back.</summary>
    private const int SmallestPart = 4 * 1024;

    // No less is told apart: files are sent without asking, and of any size.
    private const int Least = int.MinValue / 2;

    private int _left;

    /// <param name="bound">See <see cref="BoundOf"/>.</param>
    public SendAllowance(int bound) => _left = Bounded(bound, room: 0);

    /// <summary>How many bytes may stay unsent, given the watermark; zero, if that is zero: then there is no bound.</summary>
    public static int BoundOf(int watermark) => watermark == 0 ? 0 : (int)Math.Min((long)watermark + BeyondWatermark, int.MaxValue);

    public readonly bool Covers(long bytes) => bytes <= _left;

    /// <summary>Notes what the kernel has taken.</summary>
    public void Take(int bytes) => _left = (int)Math.Max((long)_left - bytes, Least);

    /// <summary>Returns how many of so many bytes may be sent.</summary>
    /// <param name="bytes">As many are offered.</param>
    /// <param name="bound">See <see cref="BoundOf"/>.</param>
    /// <param name="room">What the peer's window has room for, less all that the kernel holds for it; null where that cannot be told.</param>
    public long Renew(long bytes, int bound, long? room)
    {
        _left = Bounded(bound, room);
        return Covers(bytes) ? bytes : Math.Min(bytes, Math.Max(_left, SmallestPart));
    }

    private static int Bounded(int bound, long? room) =>
        bound == 0 || room is null ? int.MaxValue : (int)Math.Clamp(bound + room.Value, Least, int.MaxValue);
}
