using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Peregrine.Middleware.Tests.ProxyProtocol;

/// <summary>
/// Headers of version 2, byte by byte as proxy-protocol.txt §2.2 has them, also those that nobody may send. Not by the product's own writer, whose mistakes
/// would be the reader's as well.
/// </summary>
internal static class RawHeader
{
    public const byte Local = 0x20;
    public const byte Proxy = 0x21;
    public const byte Unspecified = 0x00;
    public const byte Tcp4 = 0x11;
    public const byte Udp4 = 0x12;
    public const byte Tcp6 = 0x21;
    public const byte Udp6 = 0x22;
    public const byte UnixStream = 0x31;
    public const byte UnixDatagram = 0x32;

    public static readonly byte[] Signature = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A];

    /// <param name="command">Byte 13.</param>
    /// <param name="family">Byte 14.</param>
    /// <param name="blocks">What follows the length, which counts them.</param>
    public static byte[] Of(byte command, byte family, params byte[][] blocks)
    {
        byte[] body = [.. blocks.SelectMany(block => block)];
        byte[] header = [.. Signature, command, family, (byte)(body.Length >> 8), (byte)body.Length, .. body];
        SetChecksum(header);
        return header;
    }

    /// <summary>With a length that does not fit.</summary>
    public static byte[] WithLength(int length, byte[] header)
    {
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(14), (ushort)length);
        return header;
    }

    public static byte[] AddressBlock(string source, string destination, int sourcePort, int destinationPort) =>
    [
        .. IPAddress.Parse(source).GetAddressBytes(), .. IPAddress.Parse(destination).GetAddressBytes(),
        (byte)(sourcePort >> 8), (byte)sourcePort, (byte)(destinationPort >> 8), (byte)destinationPort,
    ];

    public static byte[] Unix(string source, string destination) => [.. Path(source), .. Path(destination)];

    public static byte[] Tlv(byte type, params byte[] value) => [type, (byte)(value.Length >> 8), (byte)value.Length, .. value];

    public static byte[] Tlv(byte type, string value) => Tlv(type, Encoding.UTF8.GetBytes(value));

    /// <summary>To be filled in by <see cref="Of"/>, if it is the last.</summary>
    public static byte[] Checksum { get; } = Tlv(3, 0, 0, 0, 0);

    private static byte[] Path(string path)
    {
        var bytes = new byte[108];
        Encoding.UTF8.GetBytes(path, bytes);
        return bytes;
    }

    private static void SetChecksum(byte[] header)
    {
        if (header.AsSpan().EndsWith(Checksum))
        {
            BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(header.Length - 4), Crc32C(header));
        }
    }

    /// <summary>Bit by bit, after RFC 4960, appendix B: the polynomial 0x1EDC6F41, reflected.</summary>
    public static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var one in bytes)
        {
            crc ^= one;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
            }
        }

        return ~crc;
    }
}
