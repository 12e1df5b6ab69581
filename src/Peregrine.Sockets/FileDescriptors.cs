using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets;

/// <summary>The file descriptors of this process, of which each connection needs one.</summary>
public static class FileDescriptors
{
    private const string Open = "/proc/self/fd";

    /// <summary>
    /// How many the process may have open: RLIMIT_NOFILE, the soft limit, which the runtime raises to the hard one at its start (getrlimit(2)).
    /// Null where the system does not tell, as on everything but Linux.
    /// </summary>
    public static long? Limit => OperatingSystem.IsLinux() && ResourceLimit.Descriptors() is { } limit ? (long)Math.Min(limit, long.MaxValue) : null;

    /// <summary>
    /// How many are open now (proc_pid_fd(5)); null where the system does not tell. It reads a directory with an entry for each: meant for the
    /// start, and for measurements at intervals.
    /// </summary>
    public static int? CountOpen()
    {
        try
        {
            // The descriptor of the directory itself is among them.
            return OperatingSystem.IsLinux() ? Math.Max(0, Directory.GetFileSystemEntries(Open).Length - 1) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>
    /// Programs that this process starts do not inherit <paramref name="descriptor"/> (FD_CLOEXEC, fcntl(2)). Without effect where there is no such
    /// descriptor, and on everything but Linux.
    /// </summary>
    public static void SetCloseOnExec(int descriptor)
    {
        if (OperatingSystem.IsLinux())
        {
            InheritedDescriptor.TrySetCloseOnExec(descriptor);
        }
    }
}
