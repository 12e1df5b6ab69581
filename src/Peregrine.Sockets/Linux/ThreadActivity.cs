using System.Globalization;
using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Linux;

/// <summary>What a thread of this process does, by proc(5) and clock_gettime(2): asked by others, when they think that it does nothing.</summary>
internal static partial class ThreadActivity
{
    /// <summary>No thread, or one that cannot be asked about.</summary>
    public const int Unknown = 0;

    // CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED (linux/posix-timers.h): the clock of a thread by its id, as pthread_getcpuclockid(3) makes it.
    private const int ThreadClock = 6;
    private const int ClockShift = 3;
    private const int StatSize = 128;

    /// <summary>The kernel's id of the calling thread. By proc(5), because C libraries have gettid(2) only of late.</summary>
    public static int CurrentId()
    {
        try
        {
            var target = File.ResolveLinkTarget("/proc/thread-self", returnFinalTarget: false);
            return int.TryParse(target?.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : Unknown;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return Unknown;
        }
    }

    /// <summary>True if it runs or waits for a core; false if it waits for something else, or cannot be asked about.</summary>
    public static bool IsRunnable(int id)
    {
        try
        {
            using var stat = File.OpenHandle($"/proc/self/task/{id}/stat");
            Span<byte> text = stackalloc byte[StatSize];
            text = text[..RandomAccess.Read(stat, text, 0)];

            // "id (name) R …"; the name may hold anything.
            var state = text.LastIndexOf((byte)')') + 2;
            return state < text.Length && text[state] == (byte)'R';
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>How long it has run; zero if it cannot be asked about.</summary>
    public static TimeSpan CpuTime(int id) =>
        GetTime((~id << ClockShift) | ThreadClock, out var time) == 0
            ? TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromTicks(time.Nanoseconds / TimeSpan.NanosecondsPerTick)
            : TimeSpan.Zero;

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out Time time);

    /// <summary>struct timespec on 64 bits.</summary>
    private readonly struct Time
    {
        public readonly long Seconds;
        public readonly long Nanoseconds;
    }
}
