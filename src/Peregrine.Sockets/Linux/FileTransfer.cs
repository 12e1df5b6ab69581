using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Peregrine.Sockets.Connections;

namespace Peregrine.Sockets.Linux;

/// <summary>From a file to a socket within the kernel, by sendfile(2).</summary>
internal static unsafe partial class FileTransfer
{
    private const int Interrupted = 4; // EINTR
    private const int WouldBlock = 11; // EAGAIN
    private const int InvalidArgument = 22; // EINVAL
    private const int BrokenPipe = 32; // EPIPE
    private const int NotImplemented = 38; // ENOSYS
    private const int ConnectionReset = 104; // ECONNRESET

    /// <summary>
    /// Sends what the kernel takes at once. Zero bytes are the end of the file; <c>OperationNotSupported</c> is a file that must be read
    /// instead.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The socket or the file is closed.</exception>
    public static IoResult TrySend(SafeSocketHandle socket, SafeFileHandle file, long offset, int count)
    {
        IoResult result;
        while (!TryExplain(SendFile(socket, file, &offset, (nuint)count), out result))
        {
        }

        return result;
    }

    /// <summary>The same by the number of a socket that stays open during the call.</summary>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public static IoResult TrySend(int socket, SafeFileHandle file, long offset, int count)
    {
        IoResult result;
        while (!TryExplain(SendFile(socket, file, &offset, (nuint)count), out result))
        {
        }

        return result;
    }

    /// <summary>False if a signal interrupted the call: it is made again.</summary>
    private static bool TryExplain(nint sent, out IoResult result)
    {
        if (sent >= 0)
        {
            result = new IoResult((int)sent, SocketError.Success);
            return true;
        }

        var errno = Marshal.GetLastPInvokeError();
        result = errno switch
        {
            WouldBlock => IoResult.WouldBlock,
            InvalidArgument or NotImplemented => new IoResult(0, SocketError.OperationNotSupported),
            BrokenPipe => new IoResult(0, SocketError.Shutdown),
            ConnectionReset => new IoResult(0, SocketError.ConnectionReset),
            _ => new IoResult(0, SocketError.SocketError),
        };
        return errno != Interrupted;
    }

    [LibraryImport("libc", EntryPoint = "sendfile", SetLastError = true)]
    private static partial nint SendFile(SafeSocketHandle socket, SafeFileHandle file, long* offset, nuint count);

    [LibraryImport("libc", EntryPoint = "sendfile", SetLastError = true)]
    private static partial nint SendFile(int socket, SafeFileHandle file, long* offset, nuint count);
}
