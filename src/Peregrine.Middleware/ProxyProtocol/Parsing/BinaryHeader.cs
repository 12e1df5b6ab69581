using System.Buffers.Binary;
using System.Net;
using Peregrine.Features;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>Version 2: the binary header (proxy-protocol.txt §2.2).</summary>
internal static class BinaryHeader
{
    /// <summary>What every header begins with: the signature, version and command, family and transport, the length of the rest.</summary>
    public const int StartLength = 16;
    public const int MaxUniqueId = 128;
    public const int MaxLength = StartLength + ushort.MaxValue;
    public const int ChecksumLength = 4;

    /// <summary>The client's bits and the result of the verification, before the TLVs inside (§2.2.6).</summary>
    public const int TlsStart = 5;
    public const int UnixSize = 108;
    private const int VersionAndCommand = 12;
    private const int FamilyAndTransport = 13;
    public const int LengthOffset = 14;
    private const int VersionBits = 0x20;

    public static ReadOnlySpan<byte> Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    /// <summary>Byte by byte, as they come: so the reason of a refusal does not depend on how much is there.</summary>
    public static HeaderResult Measure(ReadOnlySpan<byte> start, int maxSize)
    {
        var known = Math.Min(start.Length, Signature.Length);
        if (!start[..known].SequenceEqual(Signature[..known]))
        {
            return HeaderResult.Invalid(HeaderFault.NoHeader);
        }

        if (start.Length <= VersionAndCommand)
        {
            return HeaderResult.Incomplete;
        }

        if ((start[VersionAndCommand] & 0xF0) != VersionBits)
        {
            return HeaderResult.Invalid(HeaderFault.UnknownVersion);
        }

        var command = (ProxyProtocolCommand)(start[VersionAndCommand] & 0x0F);
        if (command > ProxyProtocolCommand.Proxy)
        {
            return HeaderResult.Invalid(HeaderFault.UnknownCommand);
        }

        if (start.Length <= FamilyAndTransport)
        {
            return HeaderResult.Incomplete;
        }

        // Of LOCAL, "the family is ignored".
        var (family, transport) = FamilyOf(start);
        if (command == ProxyProtocolCommand.Proxy && family > ProxyProtocolAddressFamily.Unix)
        {
            return HeaderResult.Invalid(HeaderFault.UnknownAddressFamily);
        }

        if (command == ProxyProtocolCommand.Proxy && transport > ProxyProtocolTransport.Datagram)
        {
            return HeaderResult.Invalid(HeaderFault.UnknownTransport);
        }

        if (start.Length < StartLength)
        {
            return HeaderResult.Incomplete;
        }

        var length = StartLength + BinaryPrimitives.ReadUInt16BigEndian(start[LengthOffset..]);
        return length > maxSize ? HeaderResult.Invalid(HeaderFault.TooLarge)
            : command == ProxyProtocolCommand.Proxy && length < StartLength + AddressesLength(family, transport)
                ? HeaderResult.Invalid(HeaderFault.AddressesCutOff)
            : new HeaderResult(HeaderStatus.Complete, length, null, HeaderFault.None);
    }

    /// <param name="header">All of it, and its start is right.</param>
    /// <param name="parsed">If there is no fault.</param>
    public static HeaderFault TryDecode(ReadOnlySpan<byte> header, out ParsedHeader? parsed)
    {
        if ((ProxyProtocolCommand)(header[VersionAndCommand] & 0x0F) == ProxyProtocolCommand.Local)
        {
            // "The receiver must accept this connection as valid, must use the real connection endpoints and discard the protocol block."
            parsed = ParsedHeader.Local;
            return HeaderFault.None;
        }

        parsed = null;
        var (family, transport) = FamilyOf(header);
        if (family == ProxyProtocolAddressFamily.Unspecified || transport == ProxyProtocolTransport.Unspecified)
        {
            return TryDecodeUnspecified(header, family, out parsed);
        }

        var addresses = header.Slice(StartLength, AddressesLength(family, transport));
        var tlvs = header[(StartLength + addresses.Length)..];
        var fault = CheckTlvs(header, tlvs, out var isChecksummed);
        if (fault == HeaderFault.None)
        {
            var (source, destination) = EndPointsOf(family, addresses);
            parsed = new ParsedHeader(2, ProxyProtocolCommand.Proxy, family, transport, source, destination, tlvs.ToArray(), isChecksummed);
        }

        return fault;
    }

    /// <summary>How long the two addresses are; 0 where "the receiver should ignore address information", since nobody says how long it is.</summary>
    private static int AddressesLength(ProxyProtocolAddressFamily family, ProxyProtocolTransport transport) =>
        transport == ProxyProtocolTransport.Unspecified ? 0 : family switch
        {
            ProxyProtocolAddressFamily.IPv4 => 2 * (4 + 2),
            ProxyProtocolAddressFamily.IPv6 => 2 * (16 + 2),
            ProxyProtocolAddressFamily.Unix => 2 * UnixSize,
            _ => 0,
        };

    /// <summary>
    /// A client whose addresses the proxy cannot tell. What follows is taken for TLVs if it is nothing but whole ones, as senders that leave out the
    /// addresses write it; otherwise it is ignored, as is what follows a family with addresses of an unknown transport.
    /// </summary>
    private static HeaderFault TryDecodeUnspecified(ReadOnlySpan<byte> header, ProxyProtocolAddressFamily family, out ParsedHeader? parsed)
    {
        var tlvs = header[StartLength..];
        if (family != ProxyProtocolAddressFamily.Unspecified || !TlvReader.IsWhole(tlvs))
        {
            tlvs = default;
        }

        var fault = CheckTlvs(header, tlvs, out var isChecksummed);
        parsed = fault == HeaderFault.None ? ParsedHeader.WithoutAddresses(2, tlvs.ToArray(), isChecksummed) : null;
        return fault;
    }

    private static HeaderFault CheckTlvs(ReadOnlySpan<byte> header, ReadOnlySpan<byte> tlvs, out bool isChecksummed)
    {
        isChecksummed = false;
        var reader = new TlvReader(tlvs);
        var checksum = -1;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case ProxyProtocolTlvType.Crc32C when reader.Length != ChecksumLength || checksum >= 0:
                    return HeaderFault.Checksum;
                case ProxyProtocolTlvType.Crc32C:
                    checksum = header.Length - tlvs.Length + reader.Start;
                    break;
                case ProxyProtocolTlvType.UniqueId when reader.Length > MaxUniqueId:
                    return HeaderFault.UniqueIdTooLong;
                case ProxyProtocolTlvType.Ssl when reader.Length < TlsStart || !TlvReader.IsWhole(reader.Value[TlsStart..]):
                    return HeaderFault.MalformedTls;
            }
        }

        if (!reader.IsAtEnd)
        {
            return HeaderFault.TlvCutOff;
        }

        isChecksummed = checksum >= 0;
        return isChecksummed && HeaderChecksum.Compute(header, checksum) != BinaryPrimitives.ReadUInt32BigEndian(header[checksum..])
            ? HeaderFault.Checksum
            : HeaderFault.None;
    }

    private static (EndPoint Source, EndPoint Destination) EndPointsOf(ProxyProtocolAddressFamily family, ReadOnlySpan<byte> addresses)
    {
        if (family == ProxyProtocolAddressFamily.Unix)
        {
            return (UnixAddress.ToEndPoint(addresses[..UnixSize]), UnixAddress.ToEndPoint(addresses[UnixSize..]));
        }

        var size = (addresses.Length - 4) / 2;
        var ports = addresses[(2 * size)..];
        return (
            new IPEndPoint(new IPAddress(addresses[..size]), BinaryPrimitives.ReadUInt16BigEndian(ports)),
            new IPEndPoint(new IPAddress(addresses.Slice(size, size)), BinaryPrimitives.ReadUInt16BigEndian(ports[2..])));
    }

    private static (ProxyProtocolAddressFamily Family, ProxyProtocolTransport Transport) FamilyOf(ReadOnlySpan<byte> header) =>
        ((ProxyProtocolAddressFamily)(header[FamilyAndTransport] >> 4), (ProxyProtocolTransport)(header[FamilyAndTransport] & 0x0F));
}
