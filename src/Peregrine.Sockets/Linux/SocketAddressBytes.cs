using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Peregrine.Sockets.Linux;

/// <summary>
/// A peer's address as accept(2) gives it (ip(7), ipv6(7)), kept in 24 bytes until somebody wants to know: as objects it would take each
/// connection five times as much.
/// </summary>
internal readonly struct SocketAddressBytes
{
    /// <summary>sizeof(struct sockaddr_un), unix(7).</summary>
    public const int Longest = 110;

    private const int FamilyIPv4 = 2;
    private const int FamilyIPv6 = 10;
    private const int LengthIPv4 = 16;
    private const int LengthIPv6 = 28;
    private const int PortOffset = 2;
    private const int AddressOffsetIPv4 = 4;
    private const int AddressOffsetIPv6 = 8;
    private const int ScopeOffset = 24;

    private readonly UInt128 _address;
    private readonly uint _scope;
    private readonly ushort _port;
    private readonly byte _family;

    /// <param name="raw">A struct sockaddr; of another family than IPv4 and IPv6, nothing is kept.</param>
    public SocketAddressBytes(ReadOnlySpan<byte> raw)
    {
        if (raw.Length < LengthIPv4)
        {
            return;
        }

        var family = BitConverter.ToUInt16(raw);
        _port = BinaryPrimitives.ReadUInt16BigEndian(raw[PortOffset..]);
        if (family == FamilyIPv4)
        {
            _address = BitConverter.ToUInt32(raw[AddressOffsetIPv4..]);
            _family = FamilyIPv4;
        }
        else if (family == FamilyIPv6 && raw.Length >= LengthIPv6)
        {
            _address = BinaryPrimitives.ReadUInt128BigEndian(raw[AddressOffsetIPv6..]);
            _scope = BitConverter.ToUInt32(raw[ScopeOffset..]);
            _family = FamilyIPv6;
        }
    }

    /// <summary>Null if it was of another family.</summary>
    public IPEndPoint? ToEndPoint()
    {
        if (_family == FamilyIPv4)
        {
            return new IPEndPoint((long)(ulong)_address, _port);
        }

        if (_family != FamilyIPv6)
        {
            return null;
        }

        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, _address);
        return new IPEndPoint(new IPAddress(bytes, _scope), _port);
    }

    /// <summary>For <see cref="EndPoint.Create"/>.</summary>
    public static SocketAddress ToAddress(ReadOnlySpan<byte> raw)
    {
        var family = BitConverter.ToUInt16(raw) switch
        {
            FamilyIPv4 => AddressFamily.InterNetwork,
            FamilyIPv6 => AddressFamily.InterNetworkV6,
            _ => AddressFamily.Unix,
        };
        var address = new SocketAddress(family, raw.Length);
        raw[2..].CopyTo(address.Buffer.Span[2..]);
        return address;
    }
}
