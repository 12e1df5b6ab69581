using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Peregrine.Sockets.Connections;

namespace Peregrine.Sockets.Linux;

/// <summary>
/// System calls on a stream socket by its number: recv(2), send(2), sendmsg(2), accept(2), shutdown(2), getsockopt(2). None waits, whatever the flags of the
/// descriptor. Whoever calls knows that the number is still that socket's.
/// </summary>
/// <remarks>
/// errno is asked for right after the call, and only after one that failed: asked for by the marshaller it is cleared before each call, too.
/// </remarks>
internal static unsafe partial class SocketCalls
{
    private const int DontWait = 0x40; // MSG_DONTWAIT
    private const int NoSignal = 0x4000; // MSG_NOSIGNAL
    private const int EndOfRecord = 0x80; // MSG_EOR
    private const int NonBlockingCloseOnExec = 0x800 | 0x80000; // SOCK_NONBLOCK | SOCK_CLOEXEC
    private const int ShutdownSendOnly = 1; // SHUT_WR
    private const int SolSocket = 1;
    private const int SoError = 4;
    private const int SoSendBuffer = 7;
    private const int SoLinger = 13;
    private const int IpProtoTcp = 6;
    private const int TcpInfo = 11;
    private const int InQueue = 0x541B; // SIOCINQ (tcp(7), linux/sockios.h)
    private const int OutQueue = 0x5411; // SIOCOUTQ (tcp(7), linux/sockios.h)
    private const int DuplicateCloseOnExec = 1030; // F_DUPFD_CLOEXEC

    /// <summary>Zero bytes into a buffer that is not empty are the peer's FIN, or a reset whose report somebody else took.</summary>
    public static IoResult Receive(int descriptor, Span<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            while (true)
            {
                var count = Recv(descriptor, bytes, (nuint)buffer.Length, DontWait);
                if (count >= 0)
                {
                    return new IoResult((int)count, SocketError.Success);
                }

                if (TryExplain(out var result))
                {
                    return result;
                }
            }
        }
    }

    /// <param name="descriptor">Of a stream socket.</param>
    /// <param name="data">Not empty.</param>
    /// <param name="isLast">The kernel begins a new segment for what follows, and looks at its bounds first.</param>
    public static IoResult Send(int descriptor, ReadOnlySpan<byte> data, bool isLast = false)
    {
        var flags = DontWait | NoSignal | (isLast ? EndOfRecord : 0);
        fixed (byte* bytes = data)
        {
            while (true)
            {
                var count = Send(descriptor, bytes, (nuint)data.Length, flags);
                if (count >= 0)
                {
                    return new IoResult((int)count, SocketError.Success);
                }

                if (TryExplain(out var result))
                {
                    return result;
                }
            }
        }
    }

    /// <summary>Sends the blocks of a chain, as many as there are vectors for.</summary>
    /// <inheritdoc cref="Send(int, ReadOnlySpan{byte}, bool)"/>
    public static IoResult Send(int descriptor, ReadOnlySpan<IoVector> vectors, bool isLast = false)
    {
        var flags = DontWait | NoSignal | (isLast ? EndOfRecord : 0);
        fixed (IoVector* first = vectors)
        {
            var message = new MessageHeader { Vectors = first, VectorCount = (nuint)vectors.Length };
            while (true)
            {
                var count = SendMessage(descriptor, &message, flags);
                if (count >= 0)
                {
                    return new IoResult((int)count, SocketError.Success);
                }

                if (TryExplain(out var result))
                {
                    return result;
                }
            }
        }
    }

    /// <summary>Takes a connection from a queue. Its descriptor does not block and is not inherited by child processes.</summary>
    /// <param name="listener">Listening.</param>
    /// <param name="address">Room for the peer's address; its length afterwards is what the kernel wrote.</param>
    /// <param name="descriptor">The connection, if the call succeeds.</param>
    /// <exception cref="ObjectDisposedException">The listener is closed.</exception>
    public static SocketError Accept(SafeSocketHandle listener, ref Span<byte> address, out int descriptor)
    {
        var length = address.Length;
        fixed (byte* bytes = address)
        {
            descriptor = Accept(listener, bytes, ref length, NonBlockingCloseOnExec);
        }

        if (descriptor < 0)
        {
            return Errno.ToSocketError(Marshal.GetLastPInvokeError());
        }

        address = address[..Math.Min(length, address.Length)];
        return SocketError.Success;
    }

    /// <summary>The address that a socket is bound to, or null if it has none any more.</summary>
    public static SocketAddress? LocalAddress(int descriptor)
    {
        Span<byte> bytes = stackalloc byte[SocketAddressBytes.Longest];
        var length = bytes.Length;
        fixed (byte* start = bytes)
        {
            return GetName(descriptor, start, ref length) == 0 ? SocketAddressBytes.ToAddress(bytes[..Math.Min(length, bytes.Length)]) : null;
        }
    }

    public static void ShutdownSend(int descriptor) => _ = Shutdown(descriptor, ShutdownSendOnly);

    /// <summary>The close that follows resets the connection.</summary>
    public static void ResetAtClose(int descriptor)
    {
        var linger = stackalloc int[2] { 1, 0 };
        _ = SetOption(descriptor, SolSocket, SoLinger, linger, 2 * sizeof(int));
    }

    /// <summary>SO_SNDBUF (socket(7)).</summary>
    public static void SetSendBufferSize(int descriptor, int bytes) => _ = SetOption(descriptor, SolSocket, SoSendBuffer, &bytes, sizeof(int));

    /// <summary>The first bytes of TCP_INFO, of which the kernel fills no more than it knows; false for a socket that is not TCP's.</summary>
    public static bool TryGetTcpInfo(int descriptor, ref Span<byte> raw)
    {
        var length = raw.Length;
        fixed (byte* bytes = raw)
        {
            if (GetOption(descriptor, IpProtoTcp, TcpInfo, bytes, ref length) != 0)
            {
                return false;
            }
        }

        raw = raw[..length];
        return true;
    }

    /// <summary>The pending error, as an errno, which is cleared; zero if there is none.</summary>
    public static int TakeError(int descriptor)
    {
        var error = 0;
        var length = sizeof(int);
        return GetOption(descriptor, SolSocket, SoError, (byte*)&error, ref length) == 0 ? error : 0;
    }

    /// <summary>What of a TCP socket's bytes the peer has not acknowledged, a FIN counting as one.</summary>
    public static int? Unacknowledged(int descriptor) => Control(descriptor, OutQueue, out var bytes) == 0 ? bytes : null;

    /// <summary>What was received and nobody took.</summary>
    public static int? Unreceived(int descriptor) => Control(descriptor, InQueue, out var bytes) == 0 ? bytes : null;

    /// <summary>A second descriptor of the same socket; negative if they are short.</summary>
    public static int Duplicate(int descriptor) => FileControl(descriptor, DuplicateCloseOnExec, 0);

    /// <remarks>Not repeated if a signal interrupts it: the descriptor is gone by then (close(2)), and its number may be another's.</remarks>
    public static void Close(int descriptor) => _ = CloseDescriptor(descriptor);

    private static bool TryExplain(out IoResult result)
    {
        var errno = Marshal.GetLastSystemError();
        result = new IoResult(0, Errno.ToSocketError(errno));
        return errno != Errno.Interrupted;
    }

    [LibraryImport("libc", EntryPoint = "recv")]
    private static partial nint Recv(int descriptor, byte* buffer, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "send")]
    private static partial nint Send(int descriptor, byte* data, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "sendmsg")]
    private static partial nint SendMessage(int descriptor, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "accept4", SetLastError = true)]
    private static partial int Accept(SafeSocketHandle listener, byte* address, ref int length, int flags);

    [LibraryImport("libc", EntryPoint = "getsockname")]
    private static partial int GetName(int descriptor, byte* address, ref int length);

    [LibraryImport("libc", EntryPoint = "shutdown")]
    private static partial int Shutdown(int descriptor, int how);

    [LibraryImport("libc", EntryPoint = "setsockopt")]
    private static partial int SetOption(int descriptor, int level, int name, void* value, int length);

    [LibraryImport("libc", EntryPoint = "getsockopt")]
    private static partial int GetOption(int descriptor, int level, int name, byte* value, ref int length);

    [LibraryImport("libc", EntryPoint = "ioctl")]
    private static partial int Control(int descriptor, nuint request, out int value);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int FileControl(int descriptor, int command, nint argument);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int CloseDescriptor(int descriptor);

    /// <summary>struct iovec (readv(2)).</summary>
    internal struct IoVector
    {
        public void* Bytes;
        public nuint Length;
    }

    /// <summary>struct msghdr of glibc and musl on 64 bits, where padding makes the two the same.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct MessageHeader
    {
        public void* Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public void* ControlBytes;
        public nuint ControlLength;
        public int Flags;
    }
}
