using Microsoft.Win32.SafeHandles;

namespace Peregrine.Sockets.Listening;

/// <summary>
/// A few descriptors that the process holds open for a bad day. When accept finds none left (EMFILE, ENFILE), they are given up, so that a thread
/// can still start and a log file still be opened; an accept would take them, so nothing is accepted before they are back.
/// </summary>
internal static class DescriptorReserve
{
    /// <summary>A thread's start opens files, and so does a log: at the same time, on a machine with few cores.</summary>
    private const int Size = 4;

    private static readonly Lock s_lock = new();
    private static readonly SafeFileHandle?[] s_held = new SafeFileHandle?[Size];
    private static volatile bool s_isGivenUp;

    /// <summary>Descriptors are short: accept nothing before <see cref="TryTake"/>.</summary>
    public static bool IsGivenUp => s_isGivenUp;

    public static void GiveUp()
    {
        lock (s_lock)
        {
            s_isGivenUp = true;
            ReleaseLocked();
        }
    }

    /// <summary>All of them, or none: false if descriptors are still short. True also where there are none to be had.</summary>
    public static bool TryTake()
    {
        if (OperatingSystem.IsWindows())
        {
            return true; // It has no such limit.
        }

        lock (s_lock)
        {
            try
            {
                for (var i = 0; i < Size; i++)
                {
                    s_held[i] ??= File.OpenHandle("/dev/null");
                }
            }
            catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
            {
                // A sandbox without the file: then there is no reserve.
            }
            catch (IOException)
            {
                ReleaseLocked();
                return false;
            }

            s_isGivenUp = false;
            return true;
        }
    }

    private static void ReleaseLocked()
    {
        for (var i = 0; i < Size; i++)
        {
            s_held[i]?.Dispose();
            s_held[i] = null;
        }
    }
}
