using System.Buffers;
using System.Text;

namespace Peregrine.Protocols.Tests.Netstrings;

public sealed class NetstringTests : FramingContract
{
    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages =>
        [.. ((string[])["", "hello", ",", "3:abc,", "ten bytes:"]).Select(Encoding.Latin1.GetBytes).Select(message => (message, message))];

    protected override byte[]? ReadOf(byte[] written) => written;

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new NetstringReader();

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() => new NetstringWriter();

    [Theory]
    [InlineData("", "0:,")]
    [InlineData("hello world!", "12:hello world!,")]
    public void It_is_written_as_its_definition_has_it(string message, string expected) =>
        Assert.Equal(expected, Encoding.Latin1.GetString(Encode(Encoding.Latin1.GetBytes(message))));

    [Theory]
    [InlineData(":,")]
    [InlineData("00:,")]
    [InlineData("05:hello,")]
    [InlineData("-1:a,")]
    [InlineData("+1:a,")]
    [InlineData(" 1:a,")]
    [InlineData("1 :a,")]
    [InlineData("0x1:a,")]
    [InlineData("5;")]
    [InlineData("5hello,")]
    [InlineData("\r\n")]
    [InlineData("1:ab")]
    [InlineData("0::")]
    [InlineData("2:a,\n")]
    public async Task Anything_else_is_no_message(string bytes)
    {
        var reader = await Reading.OverAsync(Encoding.Latin1.GetBytes(bytes), new NetstringReader());
        Assert.False(Reading.Fails<MessageFormatException>(reader).IsSkippable);
    }

    [Theory]
    [InlineData("1048569")]
    [InlineData("1048570:")]
    [InlineData("99999999")]
    [InlineData("99999999999999999999999999999999999999")]
    public async Task What_is_too_large_is_refused_as_soon_as_its_digits_say_so(string bytes)
    {
        var reader = await Reading.OverAsync(Encoding.Latin1.GetBytes(bytes), new NetstringReader());
        Assert.False(Reading.Fails<MessageTooLargeException>(reader).IsSkippable);
        Assert.False(Reading.Fails<MessageTooLargeException>(reader).IsSkippable);
    }

    [Fact]
    public async Task The_largest_limit_takes_all_of_its_digits_and_no_more()
    {
        var reader = await Reading.OverAsync("2147483635:"u8.ToArray(), new NetstringReader(int.MaxValue));
        Assert.False(reader.TryRead(out _));
        var larger = await Reading.OverAsync("2147483636:"u8.ToArray(), new NetstringReader(int.MaxValue));
        Reading.Fails<MessageTooLargeException>(larger);
    }

    [Theory]
    [InlineData(3, 0)]
    [InlineData(12, 9)]
    [InlineData(13, 9)]
    [InlineData(14, 10)]
    public async Task The_largest_message_passes_in_both_directions_and_one_byte_more_in_none(int most, int largest)
    {
        var reader = await Reading.OverAsync(Reading.Written(new byte[largest], new NetstringWriter(most)), new NetstringReader(most));
        Assert.Equal(largest, Reading.Take(reader).Length);
        Assert.Throws<MessageTooLargeException>(() => new NetstringWriter(most).Write(new byte[largest + 1].AsSpan(), new ArrayBufferWriter<byte>()));
        var tooLong = await Reading.OverAsync(Reading.Written(new byte[largest + 1], new NetstringWriter()), new NetstringReader(most));
        Reading.Fails<MessageTooLargeException>(tooLong);
    }

    [Fact]
    public void A_limit_out_of_range_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new NetstringReader(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => new NetstringWriter(2));
    }
}
