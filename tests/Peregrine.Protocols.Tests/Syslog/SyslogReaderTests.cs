using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace Peregrine.Protocols.Tests.Syslog;

public sealed class SyslogReaderTests
{
    [Fact]
    public async Task Both_framings_may_follow_each_other_and_what_ends_no_message_is_let_go() =>
        Assert.Equal(
            ["<1>a", "<2>b\n", "<3>c", "no priority", "<4>d"],
            await ReadAsync("4 <1>a\n5 <2>b\n\n\n<3>c\nno priority\n4 <4>d\n", new()));

    [Fact]
    public async Task An_empty_line_is_no_message_also_if_its_end_comes_in_parts() =>
        Assert.Equal(["a"], await ReadAsync("\r\na\r\n\r\n\r\n", new() { Trailer = "\r\n"u8.ToArray() }));

    [Theory]
    [InlineData("2026-11-29 a line with a date\n", "2026-11-29 a line with a date")]
    [InlineData("12:00 a time\n", "12:00 a time")]
    [InlineData("0 a zero\n", "0 a zero")]
    [InlineData("01 a zero\n", "01 a zero")]
    [InlineData(" 1 a space\n", " 1 a space")]
    [InlineData("1234567890 too many digits\n", "1234567890 too many digits")]
    [InlineData("1\n", "1")]
    public async Task What_is_no_count_is_a_line(string text, string line)
    {
        Assert.Equal([line], await ReadAsync(text, new()));
        Assert.Equal([line], await ReadAsync(text, new() { Framing = SyslogFraming.NonTransparent }));
        await Assert.ThrowsAsync<MessageFormatException>(() => ReadAsync(text, new() { Framing = SyslogFraming.OctetCounting }));
    }

    [Fact]
    public async Task A_line_that_begins_like_a_count_is_one_where_nothing_is_counted() =>
        Assert.Equal(["404 not found"], await ReadAsync("404 not found\n", new() { Framing = SyslogFraming.NonTransparent }));

    [Fact]
    public async Task Where_all_is_counted_a_line_feed_behind_a_message_is_an_error() =>
        await Assert.ThrowsAsync<MessageFormatException>(() => ReadAsync("1 a\n1 b", new() { Framing = SyslogFraming.OctetCounting }));

    [Theory]
    [InlineData(SyslogFraming.OctetCounting, "4 abcd5 abcde4 abcd14 abcdabcdabcdef2 ab", "\n")]
    [InlineData(SyslogFraming.NonTransparent, "abcd\nabcde\nabcd\nabcdabcdabcdef\nab\n", "\n")]
    [InlineData(SyslogFraming.NonTransparent, "abcd\r\nabcde\r\nabcd\r\nabcd\rabcd\rabcd\r\nab\r\n", "\r\n")]
    [InlineData(SyslogFraming.NonTransparent, "abcd--abcd---abcd--abcdabcd-abcd--ab--", "--")]
    public async Task What_is_too_large_is_cut_and_its_rest_is_let_go(SyslogFraming framing, string text, string trailer)
    {
        var options = new SyslogOptions { Framing = framing, MaxMessageSizeInBytes = 4, Trailer = Encoding.UTF8.GetBytes(trailer) };
        string[] expected = trailer == "--" ? ["abcd", "abcd", "-abc!", "abcd!", "ab"] : ["abcd", "abcd!", "abcd", "abcd!", "ab"];
        Assert.Equal(expected, await ReadAsync(text, options));
    }

    [Theory]
    [InlineData(SyslogFraming.Auto, "4 abcd5 ", "<bcd\n<abcd")]
    [InlineData(SyslogFraming.OctetCounting, "4 abcd5 ", "4 abcd999999999 ")]
    [InlineData(SyslogFraming.NonTransparent, "abcd\nabcde", "abcdx")]
    public async Task What_is_too_large_is_refused_as_soon_as_it_is_known_where_it_is_not_cut(SyslogFraming framing, params string[] texts)
    {
        var options = new SyslogOptions { Framing = framing, MaxMessageSizeInBytes = 4, TruncatesLargeMessages = false };
        foreach (var text in texts)
        {
            Assert.False((await Assert.ThrowsAsync<MessageTooLargeException>(() => ReadAsync(text, options))).IsSkippable);
            await Assert.ThrowsAsync<MessageTruncatedException>(() => ReadAsync(text[..^1], options));
        }
    }

    [Fact]
    public async Task A_message_of_8192_bytes_passes_by_default_and_one_of_any_size_is_not_kept()
    {
        var message = new string('a', 8192);
        Assert.Equal([message, message], await ReadAsync($"8192 {message}{message}\n", new(), cuts: [100, 9000]));
        var large = new string('b', 300_000);
        Assert.Equal([large[..65536] + "!", large[..65536] + "!", "c"], await ReadAsync($"300000 {large}<{large[1..]}\nc\n".Replace("<b", "b", StringComparison.Ordinal), new(), cuts: [7]));
    }

    [Theory]
    [InlineData(0, SyslogFraming.Auto, 1)]
    [InlineData(1_000_000_000, SyslogFraming.Auto, 1)]
    [InlineData(1, (SyslogFraming)3, 1)]
    [InlineData(1, SyslogFraming.Auto, 0)]
    [InlineData(1, SyslogFraming.Auto, 3)]
    public void Options_out_of_range_are_refused(int most, SyslogFraming framing, int trailer)
    {
        var options = new SyslogOptions { MaxMessageSizeInBytes = most, Framing = framing, Trailer = new byte[trailer] };
        Assert.Throws<ArgumentOutOfRangeException>(() => new SyslogReader(options));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SyslogWriter(options));
    }

    /// <summary>What was looked at is something else in the second call: who looks again finds it.</summary>
    [Theory]
    [InlineData("<1>abc", "<1\na\nc\n", "\n", "<1\na\nc")]
    [InlineData("<1>abc\r", "<\r\nabc\r\n", "\r\n", "<\r\nabc")]
    public void A_line_is_not_searched_again(string first, string second, string trailer, string line)
    {
        var reader = new SyslogReader(new SyslogOptions { Trailer = Encoding.UTF8.GetBytes(trailer) });
        var input = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(first));
        var (consumed, examined) = (input.Start, input.Start);
        Assert.False(reader.TryParse(input, ref consumed, ref examined, out _));
        var looked = input.Slice(input.Start, examined).Length;
        input = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(second));
        (consumed, examined) = (input.Start, input.GetPosition(looked));
        Assert.True(reader.TryParse(input, ref consumed, ref examined, out var frame));
        Assert.Equal(line, Encoding.UTF8.GetString(frame.Bytes));
    }

    [Fact]
    public void Nothing_is_allocated_for_a_message()
    {
        const string Message = "<34>1 2026-11-29T10:00:00.5Z host app 1 ID [a@1 b=\"c\\\"\" d=\"\"][e] \uFEFFtext";
        var format = new SyslogReader();
        var bytes = Encoding.UTF8.GetBytes($"{Encoding.UTF8.GetByteCount(Message)} {Message}{Message}\n");
        foreach (var input in (ReadOnlySequence<byte>[])[new(bytes), Segments.Of(bytes, 1, 50)])
        {
            Assert.Equal(0, Allocations.LeastOf(() =>
            {
                for (var i = 0; i < 1000; i++)
                {
                    var rest = input;
                    for (var j = 0; j < 2; j++)
                    {
                        var (consumed, examined) = (rest.Start, rest.Start);
                        Assert.True(format.TryParse(rest, ref consumed, ref examined, out var frame));
                        Assert.True(SyslogMessage.TryParse(frame.Bytes, out var message));
                        Assert.True(message.StructuredData.TryGet("a@1"u8, "b"u8, out var value) && value.SequenceEqual("c\""u8));
                        Assert.True(message.HostName.SequenceEqual("host"u8) && message.Text.Length == 4);
                        rest = rest.Slice(consumed);
                    }
                }
            }));
        }
    }

    /// <summary>All messages, with a mark behind those that were cut; whole, byte by byte, and in segments of a byte.</summary>
    private static async Task<string[]> ReadAsync(string text, SyslogOptions options, int[]? cuts = null)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        cuts ??= [.. Enumerable.Range(1, bytes.Length - 1)];
        var inOnePart = await RecordAsync(PipeReader.Create(new ReadOnlySequence<byte>(bytes)));
        var inSegments = await RecordAsync(PipeReader.Create(Segments.Of(bytes, cuts)));
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0, readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, useSynchronizationContext: false));
        var reading = RecordAsync(pipe.Reader);
        var start = 0;
        foreach (var end in (int[])[.. cuts, bytes.Length])
        {
            await pipe.Writer.WriteAsync(bytes.AsMemory(start..end));
            start = end;
        }

        await pipe.Writer.CompleteAsync();
        var inParts = await reading;
        Assert.Equal(inOnePart.Messages, inSegments.Messages);
        Assert.Equal(inOnePart.Messages, inParts.Messages);
        Assert.Equal(inOnePart.Error?.GetType(), inSegments.Error?.GetType());
        Assert.Equal(inOnePart.Error?.GetType(), inParts.Error?.GetType());
        return inOnePart.Error is null ? inOnePart.Messages : throw inOnePart.Error;

        async Task<(string[] Messages, Exception? Error)> RecordAsync(PipeReader input)
        {
            var messages = new List<string>();
            var error = await Record.ExceptionAsync(async () =>
            {
                await foreach (var frame in new MessageReader<SyslogFrame>(input, new SyslogReader(options)).ReadAllAsync())
                {
                    messages.Add(Encoding.UTF8.GetString(frame.Bytes) + (frame.IsTruncated ? "!" : ""));
                }
            });
            return ([.. messages], error);
        }
    }
}
