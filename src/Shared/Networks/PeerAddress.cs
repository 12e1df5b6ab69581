using System.Buffers.Binary;
using System.Net;

namespace Peregrine;

/// <summary>An address of a peer as a number. A peer on IPv4 is its IPv4 address, also on a listener of both families (RFC 4291 §2.5.5.2).</summary>
internal readonly record struct PeerAddress(UInt128 Bits, bool IsIPv6)
{
    private const int IPv4Size = 4;
    private const int IPv6Size = 16;
    private const int IPv4Bits = 32;

    /// <summary>How many bits of an IPv6 address come before an IPv4 address that is mapped into it.</summary>
    public const int MappedPrefix = 96;

    private static readonly UInt128 s_mapped = 0xFFFF;

    /// <summary>Null for a peer that has none, such as that of a Unix domain socket.</summary>
    public static PeerAddress? Of(EndPoint? endPoint) => endPoint is IPEndPoint { Address: var address } ? Of(address) : null;

    public static PeerAddress Of(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[IPv6Size];
        if (address.TryWriteBytes(bytes, out var size) && size == IPv4Size)
        {
            return new(BinaryPrimitives.ReadUInt32BigEndian(bytes), IsIPv6: false);
        }

        var bits = BinaryPrimitives.ReadUInt128BigEndian(bytes);
        return bits >> IPv4Bits == s_mapped ? new((uint)bits, IsIPv6: false) : new(bits, IsIPv6: true);
    }

    /// <summary>Its first bits, those behind them zero.</summary>
    public UInt128 Prefix(int length)
    {
        var size = IsIPv6 ? IPv6Size * 8 : IPv4Bits;

        // A shift by the whole size would be one by zero.
        return length == 0 ? 0 : Bits >> (size - length) << (size - length);
    }
}
