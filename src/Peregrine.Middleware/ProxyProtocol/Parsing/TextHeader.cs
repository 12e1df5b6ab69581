using System.Net;
using Peregrine.Features;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>Version 1: a line of text (proxy-protocol.txt §2.1).</summary>
internal static class TextHeader
{
    /// <summary>With CR and LF.</summary>
    public const int MaxLength = 107;

    private const byte Space = (byte)' ';
    private const byte CarriageReturn = (byte)'\r';
    private const byte LineFeed = (byte)'\n';
    private const int IPv6Size = 16;

    public static ReadOnlySpan<byte> Signature => "PROXY "u8;

    private static ReadOnlySpan<byte> Tcp4 => "PROXY TCP4 "u8;

    private static ReadOnlySpan<byte> Tcp6 => "PROXY TCP6 "u8;

    private static ReadOnlySpan<byte> Unknown => "PROXY UNKNOWN "u8;

    private static ReadOnlySpan<byte> UnknownAlone => "PROXY UNKNOWN\r"u8;

    /// <summary>
    /// Finds the end of the line. The addresses are not looked at before it is there: "the receiver must wait for the CRLF sequence before starting to
    /// decode the addresses".
    /// </summary>
    public static HeaderResult Measure(ReadOnlySpan<byte> start)
    {
        if (!MayBegin(start, Signature))
        {
            return HeaderResult.Invalid(HeaderFault.NoHeader);
        }

        if (!MayBegin(start, Tcp4) && !MayBegin(start, Tcp6) && !MayBegin(start, Unknown) && !MayBegin(start, UnknownAlone))
        {
            return HeaderResult.Invalid(HeaderFault.UnknownProtocol);
        }

        var line = start[..Math.Min(start.Length, MaxLength)];
        var end = line.IndexOfAny(CarriageReturn, LineFeed);
        if (end < 0 || end == line.Length - 1)
        {
            // A CR may be the last byte of what is there, and never of what may be there.
            return line.Length == MaxLength ? HeaderResult.Invalid(HeaderFault.LineTooLong)
                : end >= 0 && line[end] == LineFeed ? HeaderResult.Invalid(HeaderFault.LineEnd)
                : HeaderResult.Incomplete;
        }

        // Also in what is ignored behind UNKNOWN: another program, to which an LF ends the line, would see other bytes behind it than this one does.
        return line[end] == CarriageReturn && line[end + 1] == LineFeed
            ? new HeaderResult(HeaderStatus.Complete, end + 2, null, HeaderFault.None)
            : HeaderResult.Invalid(HeaderFault.LineEnd);
    }

    /// <param name="line">With its CR and LF.</param>
    /// <param name="parsed">If there is no fault.</param>
    public static HeaderFault TryDecode(ReadOnlySpan<byte> line, out ParsedHeader? parsed)
    {
        var isIPv4 = line.StartsWith(Tcp4);
        if (!isIPv4 && !line.StartsWith(Tcp6))
        {
            // "The receiver must ignore anything presented before the CRLF is found."
            parsed = ParsedHeader.Unknown;
            return HeaderFault.None;
        }

        parsed = null;
        Span<byte> addresses = stackalloc byte[2 * IPv6Size];
        var source = addresses[..(isIPv4 ? 4 : IPv6Size)];
        var destination = addresses.Slice(source.Length, source.Length);
        var fields = line[Tcp4.Length..^2];
        if (fields.Count(Space) != 3)
        {
            return HeaderFault.Fields;
        }

        if (!TryTakeAddress(ref fields, source) || !TryTakeAddress(ref fields, destination))
        {
            return HeaderFault.Address;
        }

        if (!AddressText.TryParsePort(Take(ref fields), out var sourcePort) || !AddressText.TryParsePort(fields, out var destinationPort))
        {
            return HeaderFault.Port;
        }

        parsed = new ParsedHeader(
            1, ProxyProtocolCommand.Proxy, isIPv4 ? ProxyProtocolAddressFamily.IPv4 : ProxyProtocolAddressFamily.IPv6, ProxyProtocolTransport.Stream,
            new IPEndPoint(new IPAddress(source), sourcePort), new IPEndPoint(new IPAddress(destination), destinationPort), [], IsChecksummed: false);
        return HeaderFault.None;
    }

    /// <summary>Whether what is there is the beginning of what is expected, or the other way round.</summary>
    private static bool MayBegin(ReadOnlySpan<byte> start, ReadOnlySpan<byte> expected)
    {
        var length = Math.Min(start.Length, expected.Length);
        return start[..length].SequenceEqual(expected[..length]);
    }

    private static bool TryTakeAddress(ref ReadOnlySpan<byte> fields, scoped Span<byte> address)
    {
        var text = Take(ref fields);
        return address.Length == IPv6Size ? AddressText.TryParseIPv6(text, address) : AddressText.TryParseIPv4(text, address);
    }

    private static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> fields)
    {
        var end = fields.IndexOf(Space);
        var field = fields[..end];
        fields = fields[(end + 1)..];
        return field;
    }
}
