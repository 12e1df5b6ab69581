using System.Buffers;

namespace Peregrine.Protocols.Tests.Syslog;

public sealed class OctetCountingTests : SyslogFramingContract
{
    protected override SyslogOptions Options => new() { Framing = SyslogFraming.OctetCounting };

    protected override byte[]? ReadOf(byte[] written) => written.Length == 0 ? null : written;
}

public sealed class DetectedOctetCountingTests : SyslogFramingContract
{
    protected override SyslogOptions Options => new();

    protected override byte[]? ReadOf(byte[] written) => written.Length == 0 ? null : written;
}

public sealed class NonTransparentTests : SyslogFramingContract
{
    protected override SyslogOptions Options => new() { Framing = SyslogFraming.NonTransparent };

    protected override byte[]? ReadOf(byte[] written) => IsLine(written) && !written.Contains((byte)'\n') ? written : null;
}

public sealed class DetectedNonTransparentTests : SyslogFramingContract
{
    protected override SyslogOptions Options => new() { Framing = SyslogFraming.NonTransparent, Trailer = new byte[] { 0 } };

    protected override SyslogOptions ReaderOptions => new() { Trailer = new byte[] { 0 } };

    protected override byte[]? ReadOf(byte[] written) => IsLine(written) && !written.Contains((byte)0) ? written : null;
}

public sealed class CarriageReturnAndLineFeedTests : SyslogFramingContract
{
    protected override SyslogOptions Options => new() { Framing = SyslogFraming.NonTransparent, Trailer = "\r\n"u8.ToArray() };

    protected override byte[]? ReadOf(byte[] written) => IsLine(written) && written.AsSpan().IndexOf("\r\n"u8) < 0 ? written : null;
}

public sealed class TwiceTheSameTrailerTests : SyslogFramingContract
{
    protected override SyslogOptions Options => new() { Framing = SyslogFraming.NonTransparent, Trailer = "\n\n"u8.ToArray() };

    protected override byte[]? ReadOf(byte[] written) => IsLine(written) && written.AsSpan().IndexOf("\n\n"u8) < 0 && written is not [.., (byte)'\n'] ? written : null;
}

/// <summary>Messages of any format, in each kind of framing.</summary>
public abstract class SyslogFramingContract : FramingContract
{
    protected abstract SyslogOptions Options { get; }

    protected virtual SyslogOptions ReaderOptions => Options;

    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages =>
        [.. ((byte[][])[[.. "<1>"u8], [.. "<34>1 - - - - - - a"u8], [.. "x"u8], [.. "\r."u8], [.. "- 12 "u8]]).Select(message => (message, ReadOf(message)!))];

    protected static bool IsLine(byte[] written) => written is not ([] or [>= (byte)'1' and <= (byte)'9', ..]);

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new MappedReader<SyslogFrame>(new SyslogReader(ReaderOptions), frame =>
    {
        Assert.False(frame.IsTruncated);
        return frame.Bytes;
    });

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() => new SyslogWriter(Options);
}
