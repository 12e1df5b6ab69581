using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Sockets.Linux;
using Peregrine.Sockets.Tuning;

namespace Peregrine.Sockets.Listening;

/// <summary>
/// Opens a listening socket that another process has made and passed on, such as systemd or the server that this one replaces. Others may hold
/// it too, and go on with it: it has the options of its connections from then on, is non-blocking, and stays open.
/// </summary>
/// <remarks>
/// It is opened once, and kept until the process ends. A descriptor that is closed leaves an epoll set only with the last one of its socket
/// (epoll(7), Q6), which others hold: the next one with the same number could not enter the runtime's.
/// </remarks>
internal static class InheritedSocket
{
    private static readonly Dictionary<int, (Socket Socket, ulong Cookie)> Opened = [];

    /// <returns>Not to be disposed.</returns>
    /// <exception cref="InvalidOperationException">The descriptor is no listening stream socket.</exception>
    /// <exception cref="SocketOptionException">An option cannot be had for a socket that listens already.</exception>
    public static Socket Open(FileHandleEndPoint address, int listeners, SocketTuning tuning)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new NotSupportedException("Inherited listeners exist on Linux only; listen on an address instead.");
        }

        if (listeners > 1)
        {
            throw new SocketOptionException(nameof(SocketTransportOptions.Listeners), listeners, "an inherited listener is one; remove the option");
        }

        lock (Opened)
        {
            var descriptor = address.FileHandle <= int.MaxValue ? (int)address.FileHandle : -1;
            var socket = GetOrOpenLocked(descriptor);
            tuning.ApplyToInherited(socket);

            // Whoever had it before may have left one; accepted sockets take it over, and their normal close would be a reset.
            socket.LingerState = new LingerOption(enable: false, seconds: 0);
            return socket;
        }
    }

    private static Socket GetOrOpenLocked(int descriptor)
    {
        var cookie = InheritedDescriptor.CookieOf(descriptor);
        if (Opened.Remove(descriptor, out var before) && before.Cookie != cookie)
        {
            before.Socket.Dispose(); // The number is another socket's by now.
            before = default;
        }

        var socket = before.Socket ?? Open(descriptor);
        Opened[descriptor] = (socket, cookie);
        return socket;
    }

    private static Socket Open(int descriptor)
    {
        var handle = InheritedDescriptor.TryDuplicate(descriptor)
            ?? throw new InvalidOperationException(
                $"The process was started without an open descriptor {descriptor}; pass the listening socket as that number, or use the right one.");
        var socket = Wrap(handle, descriptor);
        try
        {
            Check(socket, descriptor);
            InheritedDescriptor.TrySetCloseOnExec(descriptor);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static Socket Wrap(SafeSocketHandle handle, int descriptor)
    {
        try
        {
            return new Socket(handle);
        }
        catch (SocketException exception)
        {
            handle.Dispose(); // Not taken over.
            throw new InvalidOperationException($"The descriptor {descriptor} is not a socket ({exception.SocketErrorCode}); pass a listening socket as that number.", exception);
        }
    }

    private static void Check(Socket socket, int descriptor)
    {
        if (socket.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6 or AddressFamily.Unix))
        {
            throw new InvalidOperationException($"The descriptor {descriptor} is not a socket of IPv4, IPv6 or the Unix domain; pass a listening socket as that number.");
        }

        if (socket.SocketType != SocketType.Stream)
        {
            throw new InvalidOperationException($"The descriptor {descriptor} is a {socket.SocketType} socket; a stream socket is needed (ListenStream= of systemd.socket(5)).");
        }

        if (RawOption.AcceptsConnections.Get(socket) == 0)
        {
            throw new InvalidOperationException(
                $"The descriptor {descriptor} is a socket that does not listen; pass one that does (with systemd, Accept=no of systemd.socket(5)).");
        }
    }
}
