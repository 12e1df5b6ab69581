using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Linux;

/// <summary>A descriptor that the process was started with.</summary>
internal static partial class InheritedDescriptor
{
    // fcntl(2), asm-generic/fcntl.h and linux/fcntl.h
    private const int SetDescriptorFlags = 2; // F_SETFD
    private const int DuplicateCloseOnExec = 1030; // F_DUPFD_CLOEXEC
    private const int CloseOnExec = 1; // FD_CLOEXEC

    // Standard input, output and error.
    private const int FirstOther = 3;

    // socket(7), asm-generic/socket.h
    private const int SolSocket = 1;
    private const int SocketCookie = 57; // SO_COOKIE

    /// <summary>A number that no other socket of the kernel has; zero if it is no socket.</summary>
    public static ulong CookieOf(int descriptor)
    {
        var size = sizeof(ulong);
        return GetOption(descriptor, SolSocket, SocketCookie, out var cookie, ref size) == 0 ? cookie : 0;
    }

    /// <summary>Programs that this process starts do not inherit it.</summary>
    /// <returns>False if there is no such descriptor.</returns>
    public static bool TrySetCloseOnExec(int descriptor) => Control(descriptor, SetDescriptorFlags, CloseOnExec) >= 0;

    /// <summary>A descriptor of our own of what <paramref name="descriptor"/> is; programs that this process starts do not inherit it.</summary>
    /// <returns>Null if there is no such descriptor.</returns>
    public static SafeSocketHandle? TryDuplicate(int descriptor)
    {
        var duplicate = Control(descriptor, DuplicateCloseOnExec, FirstOther);
        return duplicate < 0 ? null : new SafeSocketHandle(duplicate, ownsHandle: true);
    }

    [LibraryImport("libc", EntryPoint = "getsockopt")]
    private static partial int GetOption(int descriptor, int level, int name, out ulong value, ref int size);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command, int argument);
}
