using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;

namespace Peregrine.Protocols.Tests.Json;

public sealed class ConcatenatedJsonTests : JsonValueContract
{
    protected override JsonValueOptions Options => new();
}

public sealed class RecordSeparatedJsonTests : JsonValueContract
{
    protected override JsonValueOptions Options => new() { WritesRecordSeparator = true };

    // A separator alone is the beginning of nothing.
    protected override int LengthThatIsWhole(byte[] encoded) => 0;
}

/// <summary>Values of each kind.</summary>
public abstract class JsonValueContract : FramingContract
{
    protected abstract JsonValueOptions Options { get; }

    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages =>
        [.. ((string[])["{}", "[1,[2]] ", "\"\\\"{\\\\\"", "true", "-1.5e+3", "{\"a\":\"]\\\\\"}"]).Select(Encoding.ASCII.GetBytes).Select(value => (value, ReadOf(value)!))];

    protected override byte[]? ReadOf(byte[] written)
    {
        try
        {
            JsonDocument.Parse(written).Dispose();
            return Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(written).Trim(' ', '\t', '\r', '\n'));
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // The end of the input ends a number, and the line feed behind other values is left out without harm.
    protected override int LengthThatIsWhole(byte[] encoded) =>
        encoded[0] is (byte)'-' ? 0 : encoded.AsSpan().TrimEnd("\n "u8).Length;

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new JsonValueReader(Options);

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() => new JsonValueWriter(Options);

    [Fact]
    public async Task Any_values_pass_cut_anywhere()
    {
        var random = new Random(20_261);
        for (var i = 0; i < 300; i++)
        {
            byte[][] values = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => RandomJson.Value(random))];
            byte[] bytes = [.. values.SelectMany(Encode)];
            int[] cuts = [.. Enumerable.Range(0, random.Next(6)).Select(_ => random.Next(bytes.Length + 1)).Order()];
            Assert.Equal(values, await Reading.AllInPartsAsync(bytes, cuts, CreateReader(), value => value.ToArray()));
            Assert.Equal(values, await Reading.AllInPartsAsync(bytes, [.. Enumerable.Range(1, bytes.Length)], CreateReader(), value => value.ToArray()));
        }
    }
}

public sealed class JsonValueEndTests
{
    [Theory]
    [InlineData("{}[]\"a\"1 2", "{}|[]|\"a\"|1|2")]
    [InlineData("1{}2[3]4\"5\"true[]", "1|{}|2|[3]|4|\"5\"|true|[]")]
    [InlineData(" \r\n\t{\"a\":{\"b\":[1,{}]}} \u001E\u001E 7\n\u001E8\n", "{\"a\":{\"b\":[1,{}]}}|7|8")]
    [InlineData("\"\\\\\"\"\\\"\"\"\\u005C\"", "\"\\\\\"|\"\\\"\"|\"\\u005C\"")]
    [InlineData("null", "null")]
    [InlineData("0", "0")]
    public async Task A_value_ends_where_it_does_however_it_is_cut(string text, string values)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        for (var first = 0; first <= bytes.Length; first++)
        {
            for (var second = first; second <= bytes.Length; second++)
            {
                Assert.Equal(values.Split('|'), await Reading.AllAsync(Segments.Of(bytes, first, second), new TextMessageReader(new JsonValueReader())));
                Assert.Equal(values.Split('|'), await Reading.AllInPartsAsync(bytes, [first, second], new TextMessageReader(new JsonValueReader())));
            }
        }
    }

    [Theory]
    [InlineData("}")]
    [InlineData("x")]
    [InlineData(":1")]
    [InlineData("  ,")]
    [InlineData("\u00EF\u00BB\u00BF{}")]
    [InlineData("01 ")]
    [InlineData("truefalse ")]
    [InlineData("t\r")]
    [InlineData("1-2 ")]
    [InlineData("[}")]
    [InlineData("{\"a\" 1}")]
    [InlineData("[1,]")]
    [InlineData("[/**/]")]
    [InlineData("\"\n\"")]
    [InlineData("\"\\x\"")]
    [InlineData("  {'a':1}")]
    public async Task What_is_no_value_is_refused_and_not_skippable(string text)
    {
        var bytes = Encoding.Latin1.GetBytes(text);
        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(new ReadOnlySequence<byte>(bytes)), new JsonValueReader());
        Assert.True(await reader.WaitToReadAsync());
        for (var i = 0; i < 2; i++)
        {
            var exception = Record.Exception(() => reader.TryRead(out _));
            Assert.False(Assert.IsType<MessageFormatException>(exception).IsSkippable);
        }

        for (var cut = 0; cut <= bytes.Length; cut++)
        {
            Assert.IsType<MessageFormatException>(await Record.ExceptionAsync(() => Reading.AllAsync(Segments.Of(bytes, cut), new TextMessageReader(new JsonValueReader()))));
        }

        Assert.IsType<MessageFormatException>(await Record.ExceptionAsync(() => Reading.AllInPartsAsync(bytes, [.. Enumerable.Range(1, bytes.Length)], new TextMessageReader(new JsonValueReader()))));
    }

    [Theory]
    [InlineData("\u001E{\"a\":[1,\u001E2\n")]
    [InlineData("\u001E\"abc\u001E2\n")]
    [InlineData("\u001E\"abc\\\u001E2\n")]
    [InlineData("\u001E12\u001E2\n")]
    public async Task A_value_that_a_record_separator_cuts_off_is_skipped(string text)
    {
        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(new ReadOnlySequence<byte>(Encoding.ASCII.GetBytes(text))), new JsonValueReader());
        Assert.True((await Assert.ThrowsAsync<MessageFormatException>(async () => await reader.ReadAsync())).IsSkippable);
        Assert.Equal("2"u8.ToArray(), (await reader.ReadAsync()).Message.ToArray());
    }

    [Theory]
    [InlineData("{")]
    [InlineData("1 [\"a")]
    [InlineData("\"\\")]
    [InlineData("tru")]
    [InlineData("-")]
    [InlineData("1.5e")]
    public Task Half_of_a_value_is_truncated(string text) => Assert.ThrowsAsync<MessageTruncatedException>(
        () => Reading.AllAsync(new ReadOnlySequence<byte>(Encoding.ASCII.GetBytes(text)), new TextMessageReader(new JsonValueReader())));

    [Fact]
    public async Task A_value_as_deep_as_it_may_be_passes_and_a_deeper_one_is_refused_where_it_becomes_so()
    {
        var options = new JsonValueOptions { MaxDepth = 3 };
        Assert.Equal(["[{\"a\":[]}]"], await Reading.AllAsync(new ReadOnlySequence<byte>("[{\"a\":[]}]"u8.ToArray()), new TextMessageReader(new JsonValueReader(options))));
        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(new ReadOnlySequence<byte>("[[[["u8.ToArray())), new JsonValueReader(options));
        Assert.True(await reader.WaitToReadAsync());
        for (var i = 0; i < 2; i++)
        {
            Assert.False(Assert.Throws<MessageFormatException>(() => reader.TryRead(out _)).IsSkippable);
        }

        Assert.Throws<MessageFormatException>(() => new JsonValueWriter(options).Write("[[[[]]]]"u8, new ArrayBufferWriter<byte>()));
    }

    [Fact]
    public async Task The_largest_value_passes_and_a_larger_one_is_refused_before_it_is_there()
    {
        var options = new JsonValueOptions { MaxMessageSizeInBytes = 10 };
        var output = new ArrayBufferWriter<byte>();
        new JsonValueWriter(options).Write("\"1234567\""u8, output);
        Assert.Throws<MessageTooLargeException>(() => new JsonValueWriter(options).Write("\"12345678\""u8, output));
        Assert.Single(await Reading.AllAsync(new ReadOnlySequence<byte>(output.WrittenMemory), new TextMessageReader(new JsonValueReader(options))));
        await Assert.ThrowsAsync<MessageTooLargeException>(() => Reading.AllInPartsAsync("\"1234567890"u8.ToArray(), [5], new TextMessageReader(new JsonValueReader(options))));
    }

    [Theory]
    [InlineData((byte)'x', "\"")]
    [InlineData((byte)'1', "[")]
    [InlineData((byte)'"', "[\"\\")]
    [InlineData((byte)'1', "-")]
    public void A_value_that_comes_byte_by_byte_is_not_looked_at_again(byte of, string begin) =>
        Looking.IsOnce(new JsonValueReader(), of, lookedTwice: 0, Encoding.ASCII.GetBytes(begin));

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("1 2")]
    [InlineData("{}{}")]
    [InlineData("{\"a\":\u001E1}")]
    [InlineData("[1")]
    public void What_is_not_one_value_is_not_written(string text)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        var output = new ArrayBufferWriter<byte>();
        Assert.Throws<MessageFormatException>(() => new JsonValueWriter().Write(bytes, output));
        Assert.Throws<MessageFormatException>(() => new JsonValueWriter().Write(Segments.Of(bytes, bytes.Length / 2), output));
        Assert.Equal(0, output.WrittenCount);
    }

    [Theory]
    [InlineData(0, 100)]
    [InlineData(-1, 100)]
    [InlineData(1, 2)]
    public void Options_out_of_range_are_refused(int depth, int most)
    {
        var options = new JsonValueOptions { MaxDepth = depth, MaxMessageSizeInBytes = most };
        Assert.Throws<ArgumentOutOfRangeException>(() => new JsonValueReader(options));
        Assert.Throws<ArgumentOutOfRangeException>(() => new JsonValueWriter(options));
    }

    [Fact]
    public async Task Nothing_is_allocated_for_a_view()
    {
        const int Count = 500, MostRounds = 10;
        var text = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("{\"a\":[1,\"b\"]}\n", Count * MostRounds)));
        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(Segments.Of(text, 4, 5001)), new JsonValueReader());
        var writer = new JsonValueWriter();
        var output = new ArrayBufferWriter<byte>(text.Length);
        Assert.True(await reader.WaitToReadAsync());
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < Count; i++)
            {
                Assert.True(reader.TryRead(out var message) && message.Length == 13);
                writer.Write(message, output);
            }
        }));
    }
}
