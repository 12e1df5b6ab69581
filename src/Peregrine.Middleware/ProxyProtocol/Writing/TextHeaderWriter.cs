using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;
using Peregrine.Features;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>Version 1: a line of text (proxy-protocol.txt §2.1).</summary>
internal static class TextHeaderWriter
{
    private const int IPv6Size = 16;

    public static void Write(ProxyProtocolHeader header, IBufferWriter<byte> output)
    {
        if (header.HasTlvs)
        {
            throw new InvalidOperationException("A PROXY protocol header of version 1 has neither TLVs nor a checksum; use version 2.");
        }

        output.Write(Encoding.ASCII.GetBytes(LineOf(header)));
    }

    private static string LineOf(ProxyProtocolHeader header)
    {
        var pair = AddressPair.Of(header.Source, header.Destination);
        if (header.Transport != ProxyProtocolTransport.Stream || pair.Source is null)
        {
            return "PROXY UNKNOWN\r\n";
        }

        var protocol = pair.Family == ProxyProtocolAddressFamily.IPv4 ? "TCP4" : "TCP6";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"PROXY {protocol} {TextOf(pair.Source)} {TextOf(pair.Destination!)} {((IPEndPoint)header.Source!).Port} {((IPEndPoint)header.Destination!).Port}\r\n");
    }

    /// <summary>Without a scope; of a mapped address without dots, which "sets of 4 hexadecimal digits" do not have.</summary>
    private static string TextOf(IPAddress address)
    {
        if (address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork)
        {
            return address.ToString();
        }

        Span<byte> bytes = stackalloc byte[IPv6Size];
        address.TryWriteBytes(bytes, out _);
        return address.IsIPv4MappedToIPv6
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"::ffff:{BinaryPrimitives.ReadUInt16BigEndian(bytes[12..]):x}:{BinaryPrimitives.ReadUInt16BigEndian(bytes[14..]):x}")
            : new IPAddress(bytes).ToString();
    }
}
