using System.Buffers;

namespace Peregrine.Protocols.Tests.FixedSizes;

public sealed class OneByteTests : FixedSizeContract
{
    protected override int Size => 1;
}

public sealed class SevenBytesTests : FixedSizeContract
{
    protected override int Size => 7;
}

public abstract class FixedSizeContract : FramingContract
{
    protected abstract int Size { get; }

    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages =>
        [.. Enumerable.Range(0, 4).Select(value => Enumerable.Repeat((byte)value, Size).ToArray()).Select(message => (message, message))];

    protected override byte[]? ReadOf(byte[] written) => written.Length == Size ? written : null;

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new FixedSizeReader(Size);

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() => new FixedSizeWriter(Size);
}

public sealed class FixedSizeLimitTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(5)]
    public void A_message_of_another_size_is_not_written(int size)
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.Throws<MessageFormatException>(() => new FixedSizeWriter(4).Write(new byte[size].AsSpan(), output));
        Assert.Throws<MessageFormatException>(() => new FixedSizeWriter(4).Write(new ReadOnlySequence<byte>(new byte[size]), output));
        Assert.Equal(0, output.WrittenCount);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_size_out_of_range_is_refused(int size)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new FixedSizeReader(size));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FixedSizeWriter(size));
    }
}
