using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Peregrine.IntegrationTests.Processes;

/// <summary>Signals to processes (signal(7)).</summary>
internal static partial class Signals
{
    public const int Interrupt = 2;
    public const int Terminate = 15;

    public static void Send(Process process, int signal) => Assert.Equal(0, Kill(process.Id, signal));

    /// <summary>Holds every thread, until <see cref="Continue"/>: the process does nothing, and the kernel goes on for it.</summary>
    public static async Task PauseAsync(Process process)
    {
        Send(process, Stop);

        // A thread that runs stops a moment later. The state follows the name in brackets (proc_pid_stat(5)).
        while (Directory.EnumerateDirectories($"/proc/{process.Id}/task").Any(thread => !File.ReadAllText(thread + "/stat").Contains(") T ", StringComparison.Ordinal)))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }
    }

    public static void Continue(Process process) => Send(process, Cont);

    // kill(2)
    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int processId, int signal);

    private const int Cont = 18;
    private const int Stop = 19;
}
