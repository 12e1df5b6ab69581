using System.Buffers;

namespace Peregrine.Protocols.Tests.Stomp;

public sealed class StompBodyTests : StompFramingContract
{
    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages =>
        [.. ((byte[][])[[], [0], [(byte)'a', 0, 0, (byte)'\n'], [.. "\nSEND\n\n"u8]]).Select(body => (body, body))];

    protected override byte[]? ReadOf(byte[] written) => written;

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new MappedReader<StompFrame>(new StompReader(), frame => frame.Body);

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() =>
        new MappedWriter<StompFrameBuilder>(new StompWriter(), body => new StompFrameBuilder(StompCommand.Send) { Body = body });
}

public sealed class StompBodyWithoutLengthTests : StompFramingContract
{
    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages => [.. ((byte[][])[[], [1], [.. "\r\n\n"u8]]).Select(body => (body, body))];

    protected override byte[]? ReadOf(byte[] written) => written.Contains((byte)0) ? null : written;

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new MappedReader<StompFrame>(new StompReader(), frame => frame.Body);

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() => new MappedWriter<StompFrameBuilder>(
        new StompWriter(new StompOptions { WritesContentLength = false }), body => new StompFrameBuilder(StompCommand.Message) { Body = body });
}

/// <summary>A message is the value of a header.</summary>
public sealed class StompHeaderValueTests : StompFramingContract
{
    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages => [.. ((byte[][])[[], [.. "\\"u8], [.. "a:b\r\n\\c"u8]]).Select(value => (value, value))];

    protected override byte[]? ReadOf(byte[] written) => written.Contains((byte)0) ? null : written;

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new MappedReader<StompFrame>(new StompReader(), frame =>
    {
        Assert.Equal(StompCommand.Ack, frame.Command);
        Assert.True(frame.Headers.TryGet("a name"u8, out var value));
        return new ReadOnlySequence<byte>(BytesOf(value));
    });

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() =>
        new MappedWriter<StompFrameBuilder>(new StompWriter(), value => new StompFrameBuilder(StompCommand.Ack).Add("a name"u8, value.ToArray()));
}

/// <summary>A message is the value of a header where there are no escapes, behind a heart-beat.</summary>
public sealed class StompConnectHeaderTests : StompFramingContract
{
    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages => [.. ((byte[][])[[], [.. @"\n\c\x"u8], [.. "a:b"u8]]).Select(value => (value, value))];

    protected override byte[]? ReadOf(byte[] written) => written.AsSpan().ContainsAny((byte)0, (byte)'\r', (byte)'\n') ? null : written;

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new MappedReader<StompFrame>(new StompReader(), frame =>
    {
        Assert.True(frame.Headers.TryGet("host"u8, out var value));
        return new ReadOnlySequence<byte>(BytesOf(value));
    });

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() =>
        new MappedWriter<StompFrameBuilder>(new StompWriter(), value => new StompFrameBuilder(StompCommand.Connect).Add("host"u8, value.ToArray()));
}

public abstract class StompFramingContract : FramingContract
{
    protected static byte[] BytesOf(WireText text)
    {
        var bytes = new byte[text.Raw.Length];
        Assert.True(text.TryCopyTo(bytes, out var length));
        return bytes[..length];
    }
}
