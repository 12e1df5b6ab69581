using System.Buffers;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>What is accepted.</summary>
/// <param name="Versions">At least one.</param>
/// <param name="MaxSizeInBytes">The longest header, of 232 bytes at least.</param>
internal readonly record struct HeaderRules(ProxyProtocolVersions Versions, int MaxSizeInBytes);

internal enum HeaderStatus
{
    /// <summary>What is there may be the beginning of a header.</summary>
    Incomplete,
    Complete,
    Invalid,
}

/// <summary>What a look at the beginning of a connection, or at a datagram, has come to.</summary>
/// <param name="Status">Whether there is a header.</param>
/// <param name="Length">Of a complete header: how many bytes it has.</param>
/// <param name="Header">The complete header.</param>
/// <param name="Fault">Why it is invalid.</param>
internal readonly record struct HeaderResult(HeaderStatus Status, int Length, ParsedHeader? Header, HeaderFault Fault)
{
    public static HeaderResult Incomplete => default;

    public static HeaderResult Invalid(HeaderFault fault) => new(HeaderStatus.Invalid, 0, null, fault);
}

/// <summary>
/// Parses headers of both versions (proxy-protocol.txt §2). A pure function: it keeps nothing between two looks, allocates nothing before a header is
/// accepted, never throws, and comes to the same however the bytes are cut. What cannot be a header is refused at its first wrong byte, as far as the
/// beginning goes that every header has; the rest is looked at when all of it is there, as §2.1 and §2.2 want it.
/// </summary>
internal static class HeaderParser
{
    private const int OnStack = 4096;

    public static HeaderResult Parse(in ReadOnlySequence<byte> input, in HeaderRules rules)
    {
        var first = input.FirstSpan;
        if (first.Length == input.Length)
        {
            return Parse(first, rules);
        }

        // The length is known from the beginning, and of a header that is not complete, nothing else is looked at.
        Span<byte> start = stackalloc byte[TextHeader.MaxLength];
        start = start[..(int)Math.Min(input.Length, start.Length)];
        input.Slice(0, start.Length).CopyTo(start);
        var measured = Measure(start, rules);
        if (measured.Status != HeaderStatus.Complete || measured.Length > input.Length)
        {
            return measured.Status == HeaderStatus.Complete ? HeaderResult.Incomplete : measured;
        }

        return measured.Length <= first.Length ? Decode(first[..measured.Length])
            : measured.Length <= OnStack ? DecodeCopy(input.Slice(0, measured.Length), stackalloc byte[measured.Length])
            : DecodeRented(input.Slice(0, measured.Length));
    }

    public static HeaderResult Parse(ReadOnlySpan<byte> input, in HeaderRules rules)
    {
        var measured = Measure(input, rules);
        return measured.Status != HeaderStatus.Complete ? measured
            : measured.Length > input.Length ? HeaderResult.Incomplete
            : Decode(input[..measured.Length]);
    }

    /// <summary>Finds how long the header is, without regard to how much of it is there.</summary>
    private static HeaderResult Measure(ReadOnlySpan<byte> start, in HeaderRules rules)
    {
        if (start.IsEmpty)
        {
            return HeaderResult.Incomplete;
        }

        return start[0] == TextHeader.Signature[0] && (rules.Versions & ProxyProtocolVersions.Version1) != 0 ? TextHeader.Measure(start)
            : start[0] == BinaryHeader.Signature[0] && (rules.Versions & ProxyProtocolVersions.Version2) != 0 ? BinaryHeader.Measure(start, rules.MaxSizeInBytes)
            : HeaderResult.Invalid(HeaderFault.NoHeader);
    }

    private static HeaderResult Decode(ReadOnlySpan<byte> header)
    {
        var fault = header[0] == TextHeader.Signature[0]
            ? TextHeader.TryDecode(header, out var parsed)
            : BinaryHeader.TryDecode(header, out parsed);
        return fault == HeaderFault.None
            ? new HeaderResult(HeaderStatus.Complete, header.Length, parsed, HeaderFault.None)
            : HeaderResult.Invalid(fault);
    }

    private static HeaderResult DecodeCopy(in ReadOnlySequence<byte> header, Span<byte> copy)
    {
        header.CopyTo(copy);
        return Decode(copy);
    }

    private static HeaderResult DecodeRented(in ReadOnlySequence<byte> header)
    {
        var rented = ArrayPool<byte>.Shared.Rent((int)header.Length);
        try
        {
            return DecodeCopy(header, rented.AsSpan(0, (int)header.Length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
