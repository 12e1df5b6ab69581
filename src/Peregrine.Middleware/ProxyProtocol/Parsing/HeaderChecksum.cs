using System.Buffers.Binary;
using System.Numerics;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>The CRC32c of a header (proxy-protocol.txt §2.2.3; RFC 4960, appendix B), by the processor's instruction where it has one.</summary>
internal static class HeaderChecksum
{
    /// <param name="header">All of it.</param>
    /// <param name="field">Where the four bytes of the checksum are, which count as zeroes.</param>
    public static uint Compute(ReadOnlySpan<byte> header, int field)
    {
        var crc = Add(uint.MaxValue, header[..field]);
        crc = BitOperations.Crc32C(crc, 0u);
        return ~Add(crc, header[(field + sizeof(uint))..]);
    }

    private static uint Add(uint crc, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[sizeof(ulong)..];
        }

        foreach (var one in bytes)
        {
            crc = BitOperations.Crc32C(crc, one);
        }

        return crc;
    }
}
