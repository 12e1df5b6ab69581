using System.Net.Sockets;

namespace Peregrine.Sockets.Linux;

/// <summary>How a TCP connection has ended: tcpi_state, the first byte of TCP_INFO (tcp(7), linux/tcp.h).</summary>
internal static class TcpEnding
{
    private const int IpProtoTcp = 6;
    private const int TcpInfo = 11;
    private const byte Closed = 7;
    private const int SolSocket = 1;
    private const int SoError = 4;

    /// <summary>EPIPE (errno(3)).</summary>
    public const int BrokenPipe = 32;

    /// <summary>True if the connection is in CLOSE. False also where that cannot be told: another system, another protocol, a released socket.</summary>
    public static bool IsClosed(Socket socket)
    {
        if (!OperatingSystem.IsLinux() || socket.ProtocolType != ProtocolType.Tcp)
        {
            return false;
        }

        Span<byte> state = stackalloc byte[1];
        try
        {
            return socket.GetRawSocketOption(IpProtoTcp, TcpInfo, state) == 1 && state[0] == Closed;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>The pending error of a socket, as an errno, which is cleared (SO_ERROR, socket(7)); zero if there is none.</summary>
    public static int TakeError(Socket socket)
    {
        Span<byte> error = stackalloc byte[sizeof(int)];
        try
        {
            return socket.GetRawSocketOption(SolSocket, SoError, error) == sizeof(int) ? BitConverter.ToInt32(error) : 0;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return 0;
        }
    }
}
