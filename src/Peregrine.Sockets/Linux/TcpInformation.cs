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

    /// <summary>How much of it is read.</summary>
    public const int Size = 232;

    private const int RoundTripTime = 68;
    private const int RoundTripTimeVariance = 72;
    private const int CongestionWindow = 80;
    private const int TotalRetransmits = 100;
    private const int BytesAcknowledged = 120;
    private const int NotSentBytes = 144;
    private const int DeliveryRate = 160;
    private const int SendWindow = 228;

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
            return Acknowledged(raw[..socket.GetRawSocketOption(IpProtoTcp, TcpInfo, raw)]);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return null;
        }
    }

    /// <param name="filled">What the kernel has filled.</param>
    public static long? Acknowledged(ReadOnlySpan<byte> filled) =>
        filled.Length >= BytesAcknowledged + sizeof(ulong) ? (long)MemoryMarshal.Read<ulong>(filled[BytesAcknowledged..]) : null;

    /// <summary>How many bytes the peer has room for, those in flight included; null for a kernel before 5.4.</summary>
    /// <param name="filled">What the kernel has filled.</param>
    public static uint? Window(ReadOnlySpan<byte> filled) =>
        filled.Length >= SendWindow + sizeof(uint) ? MemoryMarshal.Read<uint>(filled[SendWindow..]) : null;

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

        info = Read(raw, queued);
        return true;
    }

    /// <param name="raw">What the kernel has filled, and zeros.</param>
    /// <param name="queued">What it holds of the bytes to send, asked for after that.</param>
    public static TcpConnectionInfo Read(ReadOnlySpan<byte> raw, int queued)
    {
        // The queue has both, and is a moment younger.
        var unsent = MemoryMarshal.Read<uint>(raw[NotSentBytes..]);
        return new TcpConnectionInfo(
            TcpSockets.StateOf(raw[0]),
            Microseconds(raw[RoundTripTime..]),
            Microseconds(raw[RoundTripTimeVariance..]),
            MemoryMarshal.Read<uint>(raw[TotalRetransmits..]),
            Math.Max(0, queued - unsent),
            unsent,
            (long)MemoryMarshal.Read<ulong>(raw[DeliveryRate..]),
            MemoryMarshal.Read<uint>(raw[CongestionWindow..]));
    }

    private static TimeSpan Microseconds(ReadOnlySpan<byte> raw) => TimeSpan.FromMicroseconds(MemoryMarshal.Read<uint>(raw));
}
