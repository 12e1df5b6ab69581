using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets;

/// <summary>The file descriptors of this process, of which each connection needs one.</summary>
public static class FileDescriptors
{
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
