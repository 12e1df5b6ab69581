using System.Buffers.Binary;

namespace Peregrine.Sockets.Linux;

/// <summary>Addresses of datagrams as the kernel has them: struct sockaddr_in (ip(7)) and struct sockaddr_in6 (ipv6(7)), which other systems lay out alike behind the family.</summary>
internal static class DatagramAddressBytes
{
    /// <summary>sizeof(struct sockaddr_in6).</summary>
    public const int Longest = 28;

    private const int FamilyIPv4 = 2;
    private const int FamilyIPv6 = 10;
    private const int LengthIPv4 = 16;
    private const int PortOffset = 2;
    private const int AddressOffsetIPv4 = 4;
    private const int FlowOffset = 4;
    private const int AddressOffsetIPv6 = 8;
    private const int ScopeOffset = 24;

    /// <summary>What a system call on Linux has filled.</summary>
    public static DatagramAddress Read(ReadOnlySpan<byte> raw) => Read(raw, BitConverter.ToUInt16(raw) == FamilyIPv6);

    public static DatagramAddress Read(ReadOnlySpan<byte> raw, bool isIPv6)
    {
        var port = BinaryPrimitives.ReadUInt16BigEndian(raw[PortOffset..]);
        return isIPv6
            ? new DatagramAddress(
                BinaryPrimitives.ReadUInt64BigEndian(raw[AddressOffsetIPv6..]),
                BinaryPrimitives.ReadUInt64BigEndian(raw[(AddressOffsetIPv6 + 8)..]),
                port,
                BitConverter.ToUInt32(raw[ScopeOffset..]))
            : new DatagramAddress(BinaryPrimitives.ReadUInt32BigEndian(raw[AddressOffsetIPv4..]), port);
    }

    /// <summary>For a system call on Linux.</summary>
    /// <param name="raw">Room for <see cref="Longest"/>.</param>
    /// <param name="address">For a socket of IPv6, an IPv4 address is written as the mapped one.</param>
    /// <param name="isIPv6">Whether the socket is of IPv6. One of IPv4 refuses an IPv6 address (EAFNOSUPPORT).</param>
    /// <returns>Its length.</returns>
    public static int Write(Span<byte> raw, in DatagramAddress address, bool isIPv6)
    {
        var asIPv6 = isIPv6 || !address.IsIPv4;
        BitConverter.TryWriteBytes(raw, (ushort)(asIPv6 ? FamilyIPv6 : FamilyIPv4));
        WriteBehindFamily(raw, address, asIPv6);
        return asIPv6 ? Longest : LengthIPv4;
    }

    public static void WriteBehindFamily(Span<byte> raw, in DatagramAddress address, bool isIPv6)
    {
        BinaryPrimitives.WriteUInt16BigEndian(raw[PortOffset..], address.Port);
        if (!isIPv6)
        {
            BinaryPrimitives.WriteUInt32BigEndian(raw[AddressOffsetIPv4..], address.IPv4Bits);
            return;
        }

        BitConverter.TryWriteBytes(raw[FlowOffset..], 0u);
        BinaryPrimitives.WriteUInt64BigEndian(raw[AddressOffsetIPv6..], address.UpperBits);
        BinaryPrimitives.WriteUInt64BigEndian(raw[(AddressOffsetIPv6 + 8)..], address.LowerBits);
        BitConverter.TryWriteBytes(raw[ScopeOffset..], address.ScopeId);
    }
}
