using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace Peregrine.Protocols.Tests.Delimiters;

public sealed class OneByteDelimiterTests : DelimiterContract
{
    protected override DelimiterOptions Options => new() { Delimiters = { new byte[] { 0 } } };
}

public sealed class TwoBytesDelimiterTests : DelimiterContract
{
    protected override DelimiterOptions Options => new() { Delimiters = { "\r\n"u8.ToArray() } };
}

public sealed class RepeatingDelimiterTests : DelimiterContract
{
    protected override DelimiterOptions Options => new() { Delimiters = { new byte[] { 0x7E, 0x7E, 0x7D } } };
}

public sealed class SeveralDelimitersTests : DelimiterContract
{
    protected override DelimiterOptions Options => new() { Delimiters = { "\r\n"u8.ToArray(), "\n"u8.ToArray(), new byte[] { 0 }, "\n\0\r"u8.ToArray() } };
}

public sealed class KeptDelimiterTests : DelimiterContract
{
    protected override DelimiterOptions Options => new() { Delimiters = { new byte[] { 0xFF, 0 }, new byte[] { 0 } }, KeepsDelimiter = true };
}

/// <summary>Messages of each kind of delimiter.</summary>
public abstract class DelimiterContract : FramingContract
{
    protected abstract DelimiterOptions Options { get; }

    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages =>
        [.. ((byte[][])[[], [1], [.. "two words"u8], [0x80, 0x7D, 0x80], [.. "\r"u8], [0xFE]])
            .Where(message => ReadOf(message) is not null).Select(message => (message, ReadOf(message)!))];

    protected override byte[]? ReadOf(byte[] written)
    {
        var delimiters = Options.Delimiters.Select(delimiter => delimiter.ToArray()).ToList();
        byte[] sent = [.. written, .. delimiters[0]];
        for (var place = 0; place < written.Length; place++)
        {
            if (delimiters.Any(delimiter => sent.AsSpan(place).StartsWith(delimiter) || delimiter.AsSpan().StartsWith(sent.AsSpan(place))))
            {
                return null;
            }
        }

        return Options.KeepsDelimiter ? sent : written;
    }

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new DelimiterReader(Options);

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() => new DelimiterWriter(Options);
}

public sealed class DelimiterEndTests
{
    // Delimiters and messages are divided by "|"; what is received is the same however it is cut.
    [Theory]
    [InlineData("ab", "xabyabab", "x|y|")]
    [InlineData("aab", "aaabaab", "a|")]
    [InlineData("b|xab", "xaxabbab", "xa||a")]
    [InlineData("a|ab|abc", "1ab2a3abc4aab", "1|2|3|4|")]
    [InlineData("a|ab|abc", "1abc2ab", "1|2")]
    [InlineData("abX|b", "abab", "a|a")]
    [InlineData("\r|\r\n\r\n", "1\r\n2\r\n\r\n3\r\n\r", "1|\n2|3|\n")]
    public async Task The_first_place_ends_a_message_and_the_longest_delimiter_there(string delimiters, string text, string messages)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        var format = new TextMessageReader(new DelimiterReader(Of(delimiters)));
        for (var first = 0; first <= bytes.Length; first++)
        {
            for (var second = first; second <= bytes.Length; second++)
            {
                Assert.Equal(messages.Split('|'), await Reading.AllAsync(Segments.Of(bytes, first, second), format));
                Assert.Equal(messages.Split('|'), await Reading.AllInPartsAsync(bytes, [first, second], format));
            }
        }

        int[] everywhere = [.. Enumerable.Range(1, bytes.Length - 1)];
        Assert.Equal(messages.Split('|'), await Reading.AllAsync(Segments.Of(bytes, everywhere), format));
        Assert.Equal(messages.Split('|'), await Reading.AllInPartsAsync(bytes, everywhere, format));
    }

    [Fact]
    public async Task What_is_behind_the_last_delimiter_is_a_message_where_it_may_be_and_truncated_where_not()
    {
        var bytes = "1;2"u8.ToArray();
        await Assert.ThrowsAsync<MessageTruncatedException>(() => Reading.AllInPartsAsync(bytes, [3], new TextMessageReader(new DelimiterReader(Of(";")))));
        var options = Of(";");
        options.EndOfInputEndsMessage = true;
        Assert.Equal(["1", "2"], await Reading.AllInPartsAsync(bytes, [1, 2, 3], new TextMessageReader(new DelimiterReader(options))));
        Assert.Equal(["1"], await Reading.AllInPartsAsync(bytes[..2], [1], new TextMessageReader(new DelimiterReader(options))));
    }

    [Theory]
    [InlineData(";", 9, 10)]
    [InlineData("--", 8, 9)]
    [InlineData("--|;", 8, 10)]
    public async Task The_largest_message_passes_and_a_larger_one_is_refused_before_it_is_there(string delimiters, int largest, int refused)
    {
        var options = Of(delimiters);
        options.MaxMessageSizeInBytes = 10;
        var output = new ArrayBufferWriter<byte>();
        var writer = new DelimiterWriter(options);
        writer.Write(new byte[largest], output);
        Assert.Throws<MessageTooLargeException>(() => writer.Write(new byte[largest + 1], output));
        Assert.Throws<MessageTooLargeException>(() => writer.Write(Segments.Of(new byte[largest + 1], 3), output));
        var read = await Reading.AllAsync(new ReadOnlySequence<byte>(output.WrittenMemory), new DelimiterReader(options));
        Assert.Equal(largest, Assert.Single(read).Length);

        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(new ReadOnlySequence<byte>(new byte[refused])), new DelimiterReader(options));
        Assert.True(await reader.WaitToReadAsync());
        Assert.False(Assert.Throws<MessageTooLargeException>(() => reader.TryRead(out _)).IsSkippable);

        reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(new ReadOnlySequence<byte>(new byte[refused - 1])), new DelimiterReader(options));
        Assert.True(await reader.WaitToReadAsync());
        Assert.False(reader.TryRead(out _));
    }

    [Theory]
    [InlineData(";", "a;b")]
    [InlineData("--", "a-")]
    [InlineData("--", "a--b")]
    [InlineData("b|abX", "a")]
    [InlineData("abX|b", "ab")]
    [InlineData("aba", "ab")]
    public void A_message_that_has_a_delimiter_or_would_form_one_is_not_written(string delimiters, string message)
    {
        var bytes = Encoding.ASCII.GetBytes(message);
        var writer = new DelimiterWriter(Of(delimiters));
        var output = new ArrayBufferWriter<byte>();
        Assert.Throws<MessageFormatException>(() => writer.Write(bytes, output));
        Assert.Throws<MessageFormatException>(() => writer.Write(Segments.Of(bytes, 1), output));
        Assert.Equal(0, output.WrittenCount);
    }

    [Fact]
    public void A_message_that_comes_byte_by_byte_is_not_looked_at_again()
    {
        Looking.IsOnce(new DelimiterReader(Of("\0")), (byte)'x', lookedTwice: 0);
        Looking.IsOnce(new DelimiterReader(Of("\r\n")), (byte)'\r', lookedTwice: 1);
        Looking.IsOnce(new DelimiterReader(Of("\r\r\r\n|\0")), (byte)'\r', lookedTwice: 3);
    }

    [Theory]
    [InlineData("", 100)]
    [InlineData("a|", 100)]
    [InlineData("ab|a", 2)]
    [InlineData("a", -1)]
    public void Options_out_of_range_are_refused(string delimiters, int most)
    {
        var options = Of(delimiters);
        options.MaxMessageSizeInBytes = most;
        Assert.Throws<ArgumentOutOfRangeException>(() => new DelimiterReader(options));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DelimiterWriter(options));
    }

    [Fact]
    public void The_longest_delimiter_is_256_bytes_and_there_is_one_at_least()
    {
        _ = new DelimiterReader(new DelimiterOptions { Delimiters = { new byte[256] } });
        Assert.Throws<ArgumentOutOfRangeException>(() => new DelimiterReader(new DelimiterOptions { Delimiters = { new byte[257] } }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DelimiterReader(new DelimiterOptions()));
        Assert.Throws<ArgumentException>(() => new DelimiterWriter(Of("a|ab")));
    }

    [Fact]
    public async Task Nothing_is_allocated_for_a_message()
    {
        const int Count = 1000, MostRounds = 10;
        var text = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("some||more;", Count * MostRounds)));
        var options = new DelimiterOptions { Delimiters = { ";"u8.ToArray(), "||"u8.ToArray() } };
        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(Segments.Of(text, 4, 5001)), new DelimiterReader(options));
        var writer = new DelimiterWriter(options);
        var output = new ArrayBufferWriter<byte>(text.Length);
        Assert.True(await reader.WaitToReadAsync());
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < 2 * Count; i++)
            {
                Assert.True(reader.TryRead(out var message) && message.Length == 4);
                writer.Write(message, output);
            }
        }));
    }

    private static DelimiterOptions Of(string delimiters)
    {
        var options = new DelimiterOptions();
        foreach (var delimiter in delimiters.Split('|'))
        {
            options.Delimiters.Add(Encoding.ASCII.GetBytes(delimiter));
        }

        return options;
    }
}
