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

    /// <summary>Without a scope; without dots, which "sets of 4 hexadecimal digits" do not have.</summary>
    private static string TextOf(IPAddress address)
    {
        if (address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork)
        {
            return address.ToString();
        }

        Span<byte> bytes = stackalloc byte[IPv6Size];
        address.TryWriteBytes(bytes, out _);
        if (address.IsIPv4MappedToIPv6)
        {
            return string.Create(CultureInfo.InvariantCulture, $"::ffff:{Group(bytes, 6):x}:{Group(bytes, 7):x}");
        }

        // Of others, too, that have an IPv4 address in them, the last four bytes have dots: those of ISATAP, say (RFC 5214).
        var text = new IPAddress(bytes).ToString();
        return !text.Contains('.', StringComparison.Ordinal)
            ? text
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{Group(bytes, 0):x}:{Group(bytes, 1):x}:{Group(bytes, 2):x}:{Group(bytes, 3):x}:{Group(bytes, 4):x}:{Group(bytes, 5):x}:{Group(bytes, 6):x}:{Group(bytes, 7):x}");
    }

    private static ushort Group(ReadOnlySpan<byte> bytes, int index) => BinaryPrimitives.ReadUInt16BigEndian(bytes[(2 * index)..]);
}
