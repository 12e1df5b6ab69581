using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Linux;

/// <summary>A socket that listens, as the kernel sees it.</summary>
internal static class ListenQueue
{
    private const int IpProtoTcp = 6;
    private const int TcpInfo = 11;

    // tcpi_unacked of struct tcp_info (linux/tcp.h): of a socket that listens, the length of its queue (tcp_get_info of net/ipv4/tcp.c).
    private const int UnacknowledgedOffset = 24;
    private const int Size = 28;
    private const byte Listen = 10;

    // SO_MEMINFO (socket(7)): numbers of 32 bits, of which SK_MEMINFO_DROPS is the last (linux/sock_diag.h).
    private const int SolSocket = 1;
    private const int MemoryInfo = 55;
    private const int DropsOffset = 8 * sizeof(uint);
    private const int MemoryInfoSize = 9 * sizeof(uint);

    /// <summary>How many connections wait to be accepted; null where that cannot be told: another system, another protocol, a socket that is gone.</summary>
    public static int? LengthOf(Socket socket)
    {
        if (!OperatingSystem.IsLinux() || socket.ProtocolType != ProtocolType.Tcp)
        {
            return null;
        }

        Span<byte> info = stackalloc byte[Size];
        try
        {
            return socket.GetRawSocketOption(IpProtoTcp, TcpInfo, info) == Size && info[0] == Listen
                ? MemoryMarshal.Read<int>(info[UnacknowledgedOffset..])
                : null;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return null;
        }
    }

    /// <summary>
    /// How many connections the kernel has dropped because the queue was full or memory was short (tcp_listendrop of include/net/tcp.h): a SYN, or the last
    /// packet of a handshake. It wraps around at 32 bits. Null as above.
    /// </summary>
    public static uint? DropsOf(Socket socket)
    {
        if (!OperatingSystem.IsLinux() || socket.ProtocolType != ProtocolType.Tcp)
        {
            return null;
        }

        Span<byte> info = stackalloc byte[MemoryInfoSize];
        try
        {
            return socket.GetRawSocketOption(SolSocket, MemoryInfo, info) >= MemoryInfoSize ? MemoryMarshal.Read<uint>(info[DropsOffset..]) : null;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return null;
        }
    }

    /// <summary>It is closed, or does not listen any more: accepting will never succeed again. False where the system does not tell.</summary>
    public static bool IsGone(Socket socket)
    {
        try
        {
            return socket.SafeHandle.IsClosed || (OperatingSystem.IsLinux() && RawOption.AcceptsConnections.Get(socket) == 0);
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
        catch (SocketException exception)
        {
            // EBADF and ENOTSOCK: somebody has closed the descriptor, or it is another file by now.
            return exception.SocketErrorCode is SocketError.OperationAborted or SocketError.NotSocket;
        }
    }
}
