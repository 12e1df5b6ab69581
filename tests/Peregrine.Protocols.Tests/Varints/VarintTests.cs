using System.Buffers;

namespace Peregrine.Protocols.Tests.Varints;

public sealed class Varint32Tests : VarintContract
{
    protected override VarintOptions Options => new();
}

public sealed class Varint64Tests : VarintContract
{
    protected override VarintOptions Options => new() { Is64Bit = true };
}

public abstract class VarintContract : FramingContract
{
    protected abstract VarintOptions Options { get; }

    // A length of two bytes is among them.
    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages => [.. ((byte[][])[[], [0x80], [1, 0xFF, 0], new byte[128]]).Select(message => (message, message))];

    protected override byte[]? ReadOf(byte[] written) => written;

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new VarintReader(Options);

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() => new VarintWriter(Options);
}

public sealed class VarintLimitTests
{
    [Theory]
    [InlineData(0, "00")]
    [InlineData(1, "01")]
    [InlineData(127, "7F")]
    [InlineData(128, "8001")]
    [InlineData(300, "AC02")]
    [InlineData(16_383, "FF7F")]
    [InlineData(16_384, "808001")]
    [InlineData(2_097_152, "80808001")]
    public void A_length_is_written_in_as_few_bytes_as_it_needs(int length, string prefix)
    {
        var bytes = Reading.Written(new byte[length], new VarintWriter(new VarintOptions { MaxMessageSizeInBytes = 3_000_000 }));
        Assert.Equal(prefix, Convert.ToHexString(bytes[..^length]));
    }

    [Theory]
    [InlineData(false, "8280808000")]
    [InlineData(true, "8280808000")]
    [InlineData(true, "82808080808080808000")]
    public async Task More_bytes_than_a_length_needs_are_accepted(bool is64Bit, string prefix)
    {
        var reader = await Reading.OverAsync([.. Convert.FromHexString(prefix), 7, 8, 0], new VarintReader(new VarintOptions { Is64Bit = is64Bit }));
        Assert.Equal([7, 8], Reading.Take(reader));
        Assert.Equal([], Reading.Take(reader));
    }

    [Theory]
    [InlineData(false, "8080808080")]
    [InlineData(false, "FFFFFFFF10")]
    [InlineData(true, "80808080808080808080")]
    [InlineData(true, "FFFFFFFFFFFFFFFFFF02")]
    public async Task A_length_that_does_not_end_or_says_more_than_its_bits_is_no_message(bool is64Bit, string bytes)
    {
        var reader = await Reading.OverAsync(Convert.FromHexString(bytes), new VarintReader(new VarintOptions { Is64Bit = is64Bit }));
        Assert.False(Reading.Fails<MessageFormatException>(reader).IsSkippable);
    }

    [Theory]
    [InlineData(false, "FFFFFFFF0F")]
    [InlineData(true, "FFFFFFFFFFFFFFFFFF01")]
    [InlineData(true, "FFFFFFFFFFFFFFFF7F")]
    [InlineData(false, "63")]
    [InlineData(false, "E280808000")]
    public async Task What_is_too_large_is_refused_when_its_length_is_there(bool is64Bit, string bytes)
    {
        var reader = await Reading.OverAsync(Convert.FromHexString(bytes), new VarintReader(new VarintOptions { Is64Bit = is64Bit, MaxMessageSizeInBytes = 99 }));
        Assert.False(Reading.Fails<MessageTooLargeException>(reader).IsSkippable);
        Assert.False(Reading.Fails<MessageTooLargeException>(reader).IsSkippable);
    }

    [Theory]
    [InlineData(99, 98)]
    [InlineData(130, 128)]
    public async Task The_largest_message_passes_in_both_directions_and_one_byte_more_in_none(int most, int largest)
    {
        var options = new VarintOptions { MaxMessageSizeInBytes = most };
        var reader = await Reading.OverAsync(Reading.Written(new byte[largest], new VarintWriter(options)), new VarintReader(options));
        Assert.Equal(largest, Reading.Take(reader).Length);
        Assert.Throws<MessageTooLargeException>(() => new VarintWriter(options).Write(new byte[largest + 1].AsSpan(), new ArrayBufferWriter<byte>()));
        Assert.Throws<MessageTooLargeException>(() => new VarintWriter(options).Write(new byte[most + 1].AsSpan(), new ArrayBufferWriter<byte>()));
        var tooLong = await Reading.OverAsync(Reading.Written(new byte[largest + 1], new VarintWriter()), new VarintReader(options));
        Reading.Fails<MessageTooLargeException>(tooLong);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void Options_out_of_range_are_refused(int most)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new VarintReader(new VarintOptions { MaxMessageSizeInBytes = most }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new VarintWriter(new VarintOptions { MaxMessageSizeInBytes = most }));
    }
}
