using System.Text;

namespace Peregrine;

/// <summary>An option with a value that it cannot have.</summary>
/// <param name="Option">Its path in the options, such as <c>Socket.KeepAlive.Time</c>.</param>
/// <param name="Value">What it was set to.</param>
/// <param name="Accepted">What it takes.</param>
internal readonly record struct OptionOutOfRange(string Option, object Value, string Accepted);

/// <summary>What the options of an endpoint and of the socket transport take: one list for both.</summary>
internal static class OptionRanges
{
    public const string Backlog = "a number from 1; the default is 4096";
    public const string Listeners = "a number from 1 to 1024; the default is 1";
    public const string AcceptSlots = "a number from 1 to 1024; the default is 1";
    public const string MaxUnreadBytes = "a number from 1; the default is 1048576";
    public const string BufferSize = "a number of bytes from 1 to 1073741823; not set, the system tunes it";
    public const string Linger = "00:00:00, which resets at the release, and nothing longer, which would hold a thread; not set, the kernel sends the rest";
    public const string UserTimeout = "a time of whole milliseconds from 00:00:00.001 to 24.20:31:23.647";
    public const string UnsentLowWatermark = "a number of bytes from 0, which leaves it to the system; the default is 16384 on Linux";
    public const string Dscp = "a number from 0 to 63";
    public const string Device = "the name of a network interface, from 1 to 15 bytes";
    public const string FastOpenQueueLength = "a number from 0, which is off";
    public const string KeepAliveTime = "a time of whole seconds from 00:00:01 to 09:06:07";
    public const string KeepAliveFirst = "a time of whole seconds from 00:00:01 to 09:06:07, or 00:00:00, which is off; the default is 00:02:00";
    public const string KeepAliveCount = "a number from 1 to 127";

    public const string CloseTime = "a time from 00:00:01 to 1.00:00:00";
    public const string DiscardLimit = "a number of bytes from 0; the default is 67108864";
    public const string MaxLingering = "a number from 1; the default is 8192";

    // Far more than any machine has cores: a larger number is a mistake, which would take the process's descriptors.
    private const int MostOfAPort = 1024;

    // The kernel doubles what it is given (socket(7)).
    private const int LargestBufferSize = int.MaxValue / 2;

    // IFNAMSIZ (netdevice(7)) without the terminating zero.
    private const int LongestDevice = 15;

    // MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL and MAX_TCP_KEEPCNT (net/tcp.h).
    private const int LongestKeepAliveTime = 32767;
    private const int LargestKeepAliveCount = 127;

    public static IEnumerable<OptionOutOfRange> Check(int backlog, int listeners, int acceptSlots, long maxUnreadBytes, SocketOptions socket, CloseOptions close)
    {
        IEnumerable<OptionOutOfRange?> checks =
        [
            Check(nameof(Backlog), backlog, backlog >= 1, Backlog),
            Check(nameof(Listeners), listeners, listeners is >= 1 and <= MostOfAPort, Listeners),
            Check(nameof(AcceptSlots), acceptSlots, acceptSlots is >= 1 and <= MostOfAPort, AcceptSlots),
            Check(nameof(MaxUnreadBytes), maxUnreadBytes, maxUnreadBytes >= 1, MaxUnreadBytes),
            CheckSocket(nameof(socket.ReceiveBufferSizeInBytes), socket.ReceiveBufferSizeInBytes, IsBufferSize, BufferSize),
            CheckSocket(nameof(socket.SendBufferSizeInBytes), socket.SendBufferSizeInBytes, IsBufferSize, BufferSize),
            CheckSocket(nameof(socket.Linger), socket.Linger, static time => time == TimeSpan.Zero, Linger),
            CheckSocket(nameof(socket.UserTimeout), socket.UserTimeout, static time => IsWhole(time, TimeSpan.TicksPerMillisecond, int.MaxValue), UserTimeout),
            CheckSocket(nameof(socket.UnsentLowWatermarkInBytes), socket.UnsentLowWatermarkInBytes, static bytes => bytes >= 0, UnsentLowWatermark),
            CheckSocket(nameof(socket.Dscp), socket.Dscp, static value => value is >= 0 and <= 63, Dscp),
            socket.Device is null ? null : Check($"Socket.{nameof(socket.Device)}", socket.Device, IsDevice(socket.Device), Device),
            CheckSocket<int>(nameof(socket.FastOpenQueueLength), socket.FastOpenQueueLength, static length => length >= 0, FastOpenQueueLength),
            CheckSocket(
                "KeepAlive.Time", socket.KeepAlive.Time, static time => time == TimeSpan.Zero || IsKeepAliveTime(time), KeepAliveFirst),
            CheckSocket("KeepAlive.Interval", socket.KeepAlive.Interval, IsKeepAliveTime, KeepAliveTime),
            CheckTime(nameof(close.ProgressTimeout), close.ProgressTimeout),
            CheckTime(nameof(close.Silence), close.Silence),
            CheckTime(nameof(close.Total), close.Total),
            Check($"Close.{nameof(close.DiscardLimitInBytes)}", close.DiscardLimitInBytes, close.DiscardLimitInBytes >= 0, DiscardLimit),
            Check($"Close.{nameof(close.MaxLingering)}", close.MaxLingering, close.MaxLingering >= 1, MaxLingering),
            CheckSocket("KeepAlive.Count", socket.KeepAlive.Count, static count => count is >= 1 and <= LargestKeepAliveCount, KeepAliveCount),
        ];
        return checks.OfType<OptionOutOfRange>();
    }

    private static OptionOutOfRange? CheckSocket<T>(string option, T? value, Func<T, bool> isAccepted, string accepted)
        where T : struct
        => value is { } set ? Check($"Socket.{option}", set, isAccepted(set), accepted) : null;

    private static OptionOutOfRange? CheckTime(string option, TimeSpan value) =>
        Check($"Close.{option}", value, value >= TimeSpan.FromSeconds(1) && value <= TimeSpan.FromDays(1), CloseTime);

    private static OptionOutOfRange? Check(string option, object value, bool isAccepted, string accepted) =>
        isAccepted ? null : new OptionOutOfRange(option, value, accepted);

    private static bool IsBufferSize(int bytes) => bytes is >= 1 and <= LargestBufferSize;

    private static bool IsKeepAliveTime(TimeSpan time) => IsWhole(time, TimeSpan.TicksPerSecond, LongestKeepAliveTime);

    private static bool IsWhole(TimeSpan time, long unit, long most) => time.Ticks % unit == 0 && time.Ticks / unit is var count && count >= 1 && count <= most;

    private static bool IsDevice(string name) => name.Length > 0 && !name.Contains('\0') && Encoding.UTF8.GetByteCount(name) <= LongestDevice;
}
