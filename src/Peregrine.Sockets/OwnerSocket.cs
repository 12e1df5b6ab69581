using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.Win32.SafeHandles;
using Peregrine.Sockets.Listening;

namespace Peregrine.Sockets;

/// <summary>A Unix domain socket (unix(7)) for the user of this process, and for nobody else: to look at the process and to steer it.</summary>
public static class OwnerSocket
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    // SOL_SOCKET and SO_PEERCRED of asm-generic/socket.h; struct ucred is three numbers of 32 bits: pid, uid, gid.
    private const int SolSocket = 1;
    private const int SoPeerCredentials = 17;
    private const int CredentialsSize = 12;
    private const int UserOffset = 4;
    private const uint Root = 0;

    /// <summary>
    /// Listens at a path, which only the process's user and root may connect to (mode 0600), from the first moment. The file of a socket that nobody
    /// listens on any more is replaced; it is removed when the socket is disposed.
    /// </summary>
    /// <param name="path">Where the file is made. In the abstract namespace of Linux there are no permissions.</param>
    /// <param name="backlog">How many connections the kernel queues before they are accepted.</param>
    /// <exception cref="ArgumentException">The path is of the abstract namespace, or longer than the system takes (107 bytes on Linux).</exception>
    /// <exception cref="AddressInUseException">Somebody listens at it, or it is a file that is not a socket.</exception>
    /// <exception cref="SocketException">The system refuses.</exception>
    /// <exception cref="UnauthorizedAccessException">A file that is there may not be removed.</exception>
    /// <exception cref="PlatformNotSupportedException">On Windows, where a socket's file has no such mode.</exception>
    public static Socket Listen(string path, int backlog)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("On Windows, the file of a Unix domain socket has no permissions.");
        }

        if (path[0] is '@' or '\0')
        {
            throw new ArgumentException("A socket in the abstract namespace has no permissions.", nameof(path));
        }

        var endPoint = new UnixDomainSocketEndPoint(path);
        UnixSocketFile.RemoveStale(endPoint);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            // Linux gives the file the mode that the socket has when it is bound, so that there is no moment with another. The process's umask, which
            // would do the same, is that of all its threads.
            if (OperatingSystem.IsLinux())
            {
                using var handle = new SafeFileHandle(socket.Handle, ownsHandle: false);
                File.SetUnixFileMode(handle, OwnerOnly);
            }

            socket.Bind(endPoint);

            // Elsewhere, nobody can connect before it listens.
            File.SetUnixFileMode(path, OwnerOnly);
            socket.Listen(backlog);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Whether the process at the other end of a connection is of the user who listens, or root's: asked of the kernel (SO_PEERCRED), because the mode of
    /// a file can be changed. True where the system does not tell: then the file's mode is what there is.
    /// </summary>
    /// <param name="accepted">The connection.</param>
    /// <param name="listener">What <see cref="Listen"/> has returned.</param>
    /// <exception cref="SocketException">The system refuses.</exception>
    public static bool IsOwner(Socket accepted, Socket listener)
    {
        ArgumentNullException.ThrowIfNull(accepted);
        ArgumentNullException.ThrowIfNull(listener);

        // Of a socket that listens, the kernel tells the user who made it listen.
        return !OperatingSystem.IsLinux() || UserOf(accepted) is var user && (user == Root || user == UserOf(listener));
    }

    private static uint UserOf(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[CredentialsSize];
        socket.GetRawSocketOption(SolSocket, SoPeerCredentials, credentials);
        return MemoryMarshal.Read<uint>(credentials[UserOffset..]);
    }
}
