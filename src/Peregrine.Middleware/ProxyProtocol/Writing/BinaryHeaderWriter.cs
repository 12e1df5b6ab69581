using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Peregrine.Features;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>Version 2: the binary header (proxy-protocol.txt §2.2).</summary>
internal static class BinaryHeaderWriter
{
    private const byte VersionBits = 0x20;

    public static void Write(ProxyProtocolHeader header, IBufferWriter<byte> output)
    {
        if (header.UniqueId.Length > BinaryHeader.MaxUniqueId)
        {
            throw new InvalidOperationException($"A unique id has {BinaryHeader.MaxUniqueId} bytes at most; this one has {header.UniqueId.Length}.");
        }

        var bytes = new ArrayBufferWriter<byte>();
        WriteStart(header, bytes);
        WriteTlvs(header, bytes);
        var checksum = bytes.WrittenCount + TlvReader.HeadLength;
        if (header.HasChecksum)
        {
            WriteTlv(bytes, ProxyProtocolTlvType.Crc32C, new byte[BinaryHeader.ChecksumLength]);
        }

        var length = bytes.WrittenCount - BinaryHeader.StartLength;
        if (length > ushort.MaxValue)
        {
            throw new InvalidOperationException($"A PROXY protocol header has {ushort.MaxValue} bytes behind its start at most; this one has {length}.");
        }

        var whole = bytes.WrittenSpan.ToArray();
        BinaryPrimitives.WriteUInt16BigEndian(whole.AsSpan(BinaryHeader.LengthOffset), (ushort)length);
        if (header.HasChecksum)
        {
            BinaryPrimitives.WriteUInt32BigEndian(whole.AsSpan(checksum), HeaderChecksum.Compute(whole, checksum));
        }

        output.Write(whole);
    }

    /// <summary>The first 16 bytes, with a length that is not known yet, and the addresses. LOCAL "should not present any address".</summary>
    private static void WriteStart(ProxyProtocolHeader header, ArrayBufferWriter<byte> bytes)
    {
        var pair = header.Command == ProxyProtocolCommand.Local || header.Transport == ProxyProtocolTransport.Unspecified
            ? default
            : AddressPair.Of(header.Source, header.Destination);
        var transport = pair.Family == ProxyProtocolAddressFamily.Unspecified ? ProxyProtocolTransport.Unspecified : header.Transport;
        bytes.Write(BinaryHeader.Signature);
        ReadOnlySpan<byte> rest = [(byte)(VersionBits | (byte)header.Command), (byte)(((int)pair.Family << 4) | (int)transport), 0, 0];
        bytes.Write(rest);
        if (pair.Family == ProxyProtocolAddressFamily.Unix)
        {
            WriteUnix(bytes, (UnixDomainSocketEndPoint)header.Source!);
            WriteUnix(bytes, (UnixDomainSocketEndPoint)header.Destination!);
        }
        else if (pair.Source is not null)
        {
            bytes.Write(pair.Source.GetAddressBytes());
            bytes.Write(pair.Destination!.GetAddressBytes());
            WritePort(bytes, (IPEndPoint)header.Source!);
            WritePort(bytes, (IPEndPoint)header.Destination!);
        }
    }

    private static void WriteTlvs(ProxyProtocolHeader header, ArrayBufferWriter<byte> bytes)
    {
        WriteUnlessEmpty(bytes, ProxyProtocolTlvType.Alpn, header.ApplicationProtocol.Span);
        WriteText(bytes, ProxyProtocolTlvType.Authority, header.Authority);
        WriteUnlessEmpty(bytes, ProxyProtocolTlvType.UniqueId, header.UniqueId.Span);
        if (header.Tls is { } tls)
        {
            var inside = new ArrayBufferWriter<byte>();
            WriteTls(inside, tls);
            WriteTlv(bytes, ProxyProtocolTlvType.Ssl, inside.WrittenSpan);
        }

        WriteText(bytes, ProxyProtocolTlvType.NetworkNamespace, header.NetworkNamespace);
        foreach (var tlv in header.Tlvs)
        {
            WriteTlv(bytes, tlv.Type, tlv.Value.Span);
        }
    }

    private static void WriteTls(ArrayBufferWriter<byte> bytes, ProxyProtocolTls tls)
    {
        ReadOnlySpan<byte> client = [(byte)tls.Client];
        bytes.Write(client);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.GetSpan(sizeof(uint)), tls.VerifyResult);
        bytes.Advance(sizeof(uint));
        WriteText(bytes, ProxyProtocolTlvType.SslVersion, tls.Version);
        WriteText(bytes, ProxyProtocolTlvType.SslCommonName, tls.CommonName);
        WriteText(bytes, ProxyProtocolTlvType.SslCipher, tls.Cipher);
        WriteText(bytes, ProxyProtocolTlvType.SslSignatureAlgorithm, tls.SignatureAlgorithm);
        WriteText(bytes, ProxyProtocolTlvType.SslKeyAlgorithm, tls.KeyAlgorithm);
        WriteText(bytes, ProxyProtocolTlvType.SslGroup, tls.Group);
        WriteText(bytes, ProxyProtocolTlvType.SslSignatureScheme, tls.SignatureScheme);
        WriteUnlessEmpty(bytes, ProxyProtocolTlvType.SslClientCertificate, tls.ClientCertificate.Span);
    }

    private static void WriteText(ArrayBufferWriter<byte> bytes, byte type, string? text)
    {
        if (text is not null)
        {
            WriteTlv(bytes, type, Encoding.UTF8.GetBytes(text));
        }
    }

    private static void WriteUnlessEmpty(ArrayBufferWriter<byte> bytes, byte type, ReadOnlySpan<byte> value)
    {
        if (!value.IsEmpty)
        {
            WriteTlv(bytes, type, value);
        }
    }

    private static void WriteTlv(ArrayBufferWriter<byte> bytes, byte type, ReadOnlySpan<byte> value)
    {
        if (value.Length > ushort.MaxValue)
        {
            throw new InvalidOperationException($"A TLV of a PROXY protocol header has {ushort.MaxValue} bytes at most; this one has {value.Length}.");
        }

        ReadOnlySpan<byte> head = [type, (byte)(value.Length >> 8), (byte)value.Length];
        bytes.Write(head);
        bytes.Write(value);
    }

    private static void WriteUnix(ArrayBufferWriter<byte> bytes, UnixDomainSocketEndPoint endPoint)
    {
        UnixAddress.Write(endPoint, bytes.GetSpan(BinaryHeader.UnixSize)[..BinaryHeader.UnixSize]);
        bytes.Advance(BinaryHeader.UnixSize);
    }

    private static void WritePort(ArrayBufferWriter<byte> bytes, IPEndPoint endPoint)
    {
        BinaryPrimitives.WriteUInt16BigEndian(bytes.GetSpan(sizeof(ushort)), (ushort)endPoint.Port);
        bytes.Advance(sizeof(ushort));
    }
}
