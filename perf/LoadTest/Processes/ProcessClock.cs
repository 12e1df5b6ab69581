using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Peregrine.LoadTest.Processes;

/// <summary>
/// The CPU time of a process, user and system, in nanoseconds: clock_getcpuclockid(3). It is the sum that proc_pid_stat(5) shows in ticks of
/// 10 ms, which are too coarse for a server that idles.
/// </summary>
internal sealed partial class ProcessClock
{
    private readonly int _clock;

    public ProcessClock(int process)
    {
        if (GetClock(process, out _clock) is var error and not 0)
        {
            throw new IOException("The server's CPU clock: " + new Win32Exception(error).Message);
        }
    }

    public TimeSpan Read()
    {
        if (GetTime(_clock, out var time) != 0)
        {
            throw new IOException("The server's process has ended.");
        }

        return new TimeSpan((time.Seconds * TimeSpan.TicksPerSecond) + (time.Nanoseconds / TimeSpan.NanosecondsPerTick));
    }

    [LibraryImport("libc", EntryPoint = "clock_getcpuclockid")]
    private static partial int GetClock(int process, out int clock);

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out Time time);

    private struct Time
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
