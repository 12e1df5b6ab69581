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
        while (true)
        {
            var sent = SendFile(socket, file, &offset, (nuint)count);
            if (sent >= 0)
            {
                return new IoResult((int)sent, SocketError.Success);
            }

            switch (Marshal.GetLastPInvokeError())
            {
                case Interrupted:
                    continue;
                case WouldBlock:
                    return IoResult.WouldBlock;
                case InvalidArgument or NotImplemented:
                    return new IoResult(0, SocketError.OperationNotSupported);
                case BrokenPipe:
                    return new IoResult(0, SocketError.Shutdown);
                case ConnectionReset:
                    return new IoResult(0, SocketError.ConnectionReset);
                default:
                    return new IoResult(0, SocketError.SocketError);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "sendfile", SetLastError = true)]
    private static partial nint SendFile(SafeSocketHandle socket, SafeFileHandle file, long* offset, nuint count);
}
