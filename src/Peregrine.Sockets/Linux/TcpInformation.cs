using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Peregrine.Features;

namespace Peregrine.Sockets.Linux;

/// <summary>TCP_INFO as a whole: struct tcp_info of linux/tcp.h, which only grows at its end.</summary>
internal static class TcpInformation
{
    private const int IpProtoTcp = 6;
    private const int TcpInfo = 11;
    private const int Size = 216;

    private const int RoundTripTime = 68;
    private const int RoundTripTimeVariance = 72;
    private const int CongestionWindow = 80;
    private const int TotalRetransmits = 100;
    private const int BytesAcknowledged = 120;
    private const int NotSentBytes = 144;
    private const int DeliveryRate = 160;

    /// <summary>tcpi_bytes_acked; null where that cannot be told: another system, another protocol, a released socket, a kernel before 4.1.</summary>
    public static long? Acknowledged(Socket socket)
    {
        const int End = BytesAcknowledged + sizeof(ulong);
        if (!OperatingSystem.IsLinux() || socket.ProtocolType != ProtocolType.Tcp)
        {
            return null;
        }

        Span<byte> raw = stackalloc byte[End];
        try
        {
            return socket.GetRawSocketOption(IpProtoTcp, TcpInfo, raw) == End ? (long)MemoryMarshal.Read<ulong>(raw[BytesAcknowledged..]) : null;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return null;
        }
    }

    public static bool TryGet(Socket socket, out TcpConnectionInfo info)
    {
        info = default;

        // What the kernel does not fill stays zero.
        Span<byte> raw = stackalloc byte[Size];
        raw.Clear();
        try
        {
            socket.GetRawSocketOption(IpProtoTcp, TcpInfo, raw);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return false;
        }

        if (SendBuffer.Unacknowledged(socket) is not { } queued)
        {
            return false;
        }

        // The queue has both, and is a moment younger.
        var unsent = MemoryMarshal.Read<uint>(raw[NotSentBytes..]);
        info = new TcpConnectionInfo(
            TcpSockets.StateOf(raw[0]),
            Microseconds(raw[RoundTripTime..]),
            Microseconds(raw[RoundTripTimeVariance..]),
            MemoryMarshal.Read<uint>(raw[TotalRetransmits..]),
            Math.Max(0, queued - unsent),
            unsent,
            (long)MemoryMarshal.Read<ulong>(raw[DeliveryRate..]),
            MemoryMarshal.Read<uint>(raw[CongestionWindow..]));
        return true;
    }

    private static TimeSpan Microseconds(ReadOnlySpan<byte> raw) => TimeSpan.FromMicroseconds(MemoryMarshal.Read<uint>(raw));
}
