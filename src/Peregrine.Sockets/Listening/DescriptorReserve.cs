using Microsoft.Win32.SafeHandles;

namespace Peregrine.Sockets.Listening;

/// <summary>
/// A few descriptors that the process holds open for a bad day. When accept finds none left (EMFILE, ENFILE), they are given up, so that a thread
/// can still start and a log file still be opened; an accept would take them, so nothing is accepted before they are back.
/// </summary>
internal sealed class DescriptorReserve
{
    /// <summary>A thread's start opens files, and so does a log: at the same time, on a machine with few cores.</summary>
    private const int Size = 4;

    /// <summary>That of the process: its listeners share it, as they share the shortage.</summary>
    public static readonly DescriptorReserve Process = new();

    private readonly Lock _lock = new();
    private readonly SafeFileHandle?[] _held = new SafeFileHandle?[Size];
    private volatile bool _isGivenUp;

    /// <summary>Descriptors are short: accept nothing before <see cref="TryTake"/>.</summary>
    public bool IsGivenUp => _isGivenUp;

    public void GiveUp()
    {
        lock (_lock)
        {
            _isGivenUp = true;
            ReleaseLocked();
        }
    }

    /// <summary>All of them, or none: false if descriptors are still short. True also where there are none to be had.</summary>
    public bool TryTake()
    {
        if (OperatingSystem.IsWindows())
        {
            return true; // It has no such limit.
        }

        lock (_lock)
        {
            // Counted before, not found out by opening: that would leave none for a moment, in which a thread that starts ends the process.
            if (_isGivenUp && IsShort())
            {
                return false;
            }

            try
            {
                for (var i = 0; i < Size; i++)
                {
                    _held[i] ??= File.OpenHandle("/dev/null");
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

            _isGivenUp = false;
            return true;
        }
    }

    /// <summary>There are no more than those that are given up, one for the accept, and one to spare.</summary>
    private static bool IsShort() =>
        FileDescriptors.Limit is { } limit && (FileDescriptors.CountOpen() is not { } open || limit - open < Size + 2);

    private void ReleaseLocked()
    {
        for (var i = 0; i < Size; i++)
        {
            _held[i]?.Dispose();
            _held[i] = null;
        }
    }
}
