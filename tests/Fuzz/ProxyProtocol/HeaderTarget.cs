using System.Buffers;
using Peregrine.Features;
using Peregrine.Middleware;
using Peregrine.Middleware.ProxyProtocol;

namespace Peregrine.Fuzz.ProxyProtocol;

/// <summary>
/// What must hold of any bytes: the parser comes to an end and does not throw, to the same however they are cut, and what it accepts can be read, and
/// written again. It throws if something does not.
/// </summary>
internal static class HeaderTarget
{
    /// <summary>Beyond this, not every place is tried.</summary>
    private const int MaxPlaces = 600;

    public static HeaderRules Rules { get; } = new(ProxyProtocolVersions.Any, new ProxyProtocolOptions().MaxHeaderSizeInBytes);

    public static void Run(ReadOnlySpan<byte> input)
    {
        var whole = HeaderParser.Parse(input, Rules);
        Require(Same(whole, HeaderParser.Parse(input, Rules)), "A second look comes to something else.");
        var bytes = input.ToArray();
        for (var length = 0; length <= Math.Min(bytes.Length, MaxPlaces); length++)
        {
            CheckPrefix(whole, HeaderParser.Parse(input[..length], Rules), length);
            Require(Same(whole, HeaderParser.Parse(Cut(bytes, length), Rules)), "Cut in two, it comes to something else.");
        }

        if (whole.Header is { } header)
        {
            ReadAll(new ProxyProtocolFeature(header, null, null));
            CheckWrittenAgain(header);
        }
    }

    /// <summary>What is refused early would have been refused later, for the same reason; what is accepted is accepted at its last byte, and not before.</summary>
    public static void CheckPrefix(in HeaderResult whole, in HeaderResult prefix, int length)
    {
        if (whole.Status == HeaderStatus.Complete)
        {
            Require(length < whole.Length ? prefix.Status == HeaderStatus.Incomplete : Same(whole, prefix), "A header is complete elsewhere than at its end.");
        }
        else
        {
            Require(prefix.Status == HeaderStatus.Incomplete || (prefix.Status == whole.Status && prefix.Fault == whole.Fault), "A part is judged in another way.");
        }
    }

    public static bool Same(in HeaderResult one, in HeaderResult other) =>
        one.Status == other.Status && one.Length == other.Length && one.Fault == other.Fault && Same(one.Header, other.Header);

    public static bool Same(ParsedHeader? one, ParsedHeader? other) =>
        ReferenceEquals(one, other)
        || (one is not null && other is not null && one.Tlvs.AsSpan().SequenceEqual(other.Tlvs) && Equals(one.Source, other.Source)
            && Equals(one.Destination, other.Destination)
            && (one.Version, one.Command, one.AddressFamily, one.Transport, one.IsChecksummed)
                == (other.Version, other.Command, other.AddressFamily, other.Transport, other.IsChecksummed));

    public static ReadOnlySequence<byte> Cut(byte[] bytes, params ReadOnlySpan<int> places)
    {
        Segment? first = null, last = null;
        var start = 0;
        foreach (var place in (ReadOnlySpan<int>)[.. places, bytes.Length])
        {
            last = new Segment(bytes.AsMemory(start..place), last);
            first ??= last;
            start = place;
        }

        return new ReadOnlySequence<byte>(first!, 0, last!, last!.Memory.Length);
    }

    private static void ReadAll(ProxyProtocolFeature feature)
    {
        _ = (feature.Authority, feature.NetworkNamespace, feature.AwsVpcEndpointId, feature.AzurePrivateEndpointLinkId, feature.GooglePscConnectionId);
        _ = (feature.Tls, feature.ApplicationProtocol, feature.SourceEndPoint?.ToString(), feature.DestinationEndPoint?.ToString());
        Require(feature.UniqueId.Length <= 128, "A unique id is too long.");
        var length = 0;
        foreach (var tlv in feature.Tlvs)
        {
            length += 3 + tlv.Value.Length;
        }

        Require(length <= Rules.MaxSizeInBytes, "There are more TLVs than the header has.");
    }

    private static void CheckWrittenAgain(ParsedHeader header)
    {
        if (header is not { Version: 2, Command: ProxyProtocolCommand.Proxy, IsChecksummed: false })
        {
            return;
        }

        ProxyProtocolTlvCollection.TryCreate(header.Tlvs, out var tlvs);
        var written = new ArrayBufferWriter<byte>();
        new ProxyProtocolHeader { Source = header.Source, Destination = header.Destination, Transport = header.Transport, Tlvs = [.. tlvs!] }.Write(written);
        var again = HeaderParser.Parse(written.WrittenSpan, Rules);

        // Addresses that are mapped on both sides become IPv4, and so on: what they are compared by is left out.
        Require(again.Header is { } result && result.Tlvs.AsSpan().SequenceEqual(header.Tlvs), "What was accepted cannot be written and read again.");
    }

    private static void Require(bool condition, string problem)
    {
        if (!condition)
        {
            throw new InvalidOperationException(problem);
        }
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? before)
        {
            Memory = memory;
            if (before is not null)
            {
                RunningIndex = before.RunningIndex + before.Memory.Length;
                before.Next = this;
            }
        }
    }
}
