using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace Peregrine.Protocols.Tests.Stomp;

public sealed class StompReaderTests
{
    [Fact]
    public async Task A_frame_has_a_command_headers_and_a_body()
    {
        var frame = await FrameOfAsync("SEND\ndestination:/queue/a\ncontent-type: text/plain\nempty:\n\nhello\0");
        Assert.Equal(StompCommand.Send, frame.Command);
        Assert.Equal("SEND", frame.CommandText.ToString());
        Assert.Equal("hello"u8.ToArray(), frame.Body.ToArray());
        Assert.Equal(["destination=/queue/a", "content-type= text/plain", "empty="], HeadersOf(frame));
        Assert.Equal(3, frame.Headers.Count);
        Assert.True(frame.Headers.TryGet("content-type"u8, out var type));
        Assert.True(type.TryGetSpan(out var span));
        Assert.Equal(" text/plain"u8, span);
        Assert.True(frame.Headers.TryGet("empty"u8, out var empty) && empty.IsEmpty);
        Assert.False(frame.Headers.TryGet("content"u8, out _));
        Assert.False(frame.Headers.TryGet("Destination"u8, out _));
        Assert.False(frame.Headers.TryGet(""u8, out _));
    }

    [Theory]
    [InlineData("CONNECT", StompCommand.Connect)]
    [InlineData("STOMP", StompCommand.Stomp)]
    [InlineData("CONNECTED", StompCommand.Connected)]
    [InlineData("SEND", StompCommand.Send)]
    [InlineData("SUBSCRIBE", StompCommand.Subscribe)]
    [InlineData("UNSUBSCRIBE", StompCommand.Unsubscribe)]
    [InlineData("ACK", StompCommand.Ack)]
    [InlineData("NACK", StompCommand.Nack)]
    [InlineData("BEGIN", StompCommand.Begin)]
    [InlineData("COMMIT", StompCommand.Commit)]
    [InlineData("ABORT", StompCommand.Abort)]
    [InlineData("DISCONNECT", StompCommand.Disconnect)]
    [InlineData("MESSAGE", StompCommand.Message)]
    [InlineData("RECEIPT", StompCommand.Receipt)]
    [InlineData("ERROR", StompCommand.Error)]
    [InlineData("send", StompCommand.Other)]
    [InlineData("BROWSE", StompCommand.Other)]
    public async Task Commands_are_known_in_both_directions(string text, StompCommand command)
    {
        var frame = await FrameOfAsync($"{text}\n\n\0");
        Assert.Equal(command, frame.Command);
        Assert.Equal(text, frame.CommandText.ToString());
        if (command != StompCommand.Other)
        {
            var bytes = new ArrayBufferWriter<byte>();
            new StompWriter(new StompOptions { WritesContentLength = false }).Write(new StompFrameBuilder(command), bytes);
            Assert.Equal($"{text}\n\n\0", Encoding.UTF8.GetString(bytes.WrittenSpan));
        }
    }

    [Fact]
    public async Task The_first_of_headers_with_one_name_counts_also_for_the_length()
    {
        var frame = await FrameOfAsync("MESSAGE\nfoo:World\nfoo:Hello\ncontent-length:2\ncontent-length:x\n\n\0\0\0");
        Assert.True(frame.Headers.TryGet("foo"u8, out var value));
        Assert.Equal("World", value.ToString());
        Assert.Equal(4, frame.Headers.Count);
        Assert.Equal([0, 0], frame.Body.ToArray());
    }

    [Fact]
    public async Task Escapes_are_resolved_in_names_and_values_but_not_in_the_first_frames()
    {
        const string Headers = @"a\cb:x\ry\nz\\" + "\n" + "plain:a:b\n\n\0";
        foreach (var command in (string[])["SEND", "STOMP"])
        {
            var frame = await FrameOfAsync($"{command}\n{Headers}");
            Assert.Equal(["a:b=x\ry\nz\\", "plain=a:b"], HeadersOf(frame));
            Assert.True(frame.Headers.TryGet("a:b"u8, out var value));
            Assert.True(value.SequenceEqual("x\ry\nz\\"u8));
            Assert.False(value.TryGetSpan(out _));
            Assert.False(frame.Headers.TryGet(@"a\cb"u8, out _));
        }

        foreach (var command in (string[])["CONNECT", "CONNECTED"])
        {
            var frame = await FrameOfAsync($"{command}\n{Headers}");
            Assert.Equal([@"a\cb=x\ry\nz\\", "plain=a:b"], HeadersOf(frame));
            Assert.True(frame.Headers.TryGet(@"a\cb"u8, out var value));
            Assert.True(value.TryGetSpan(out _));
        }
    }

    [Fact]
    public async Task Lines_may_end_with_a_carriage_return_and_a_line_feed()
    {
        var frame = await FrameOfAsync("SEND\r\na:1\r\nb:\r\n\r\n\r\nx\0");
        Assert.Equal(["a=1", "b="], HeadersOf(frame));
        Assert.True(frame.Headers.TryGet("b"u8, out var value) && value.IsEmpty);
        Assert.Equal("\r\nx"u8.ToArray(), frame.Body.ToArray());
    }

    [Fact]
    public async Task Heart_beats_are_no_frames_and_a_flood_of_them_is_not_counted_to_the_frame_behind()
    {
        var options = new StompOptions { MaxMessageSizeInBytes = 20 };
        var reader = Over($"\n\r\n\nACK\n\n\0\n{new string('\n', 100)}\r\n\r\nNACK\n\n\0\r\n", options);
        Assert.Equal(StompCommand.Ack, (await reader.ReadAsync()).Message.Command);
        Assert.Equal(StompCommand.Nack, (await reader.ReadAsync()).Message.Command);
        Assert.True((await reader.ReadAsync()).IsCompleted);
    }

    [Fact]
    public async Task Heart_beats_that_come_one_by_one_keep_nothing_in_the_input()
    {
        var pipe = new Pipe(new PipeOptions(useSynchronizationContext: false, readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline));
        var reader = new MessageReader<StompFrame>(pipe.Reader, new StompReader());
        var read = reader.ReadAsync();
        foreach (var part in (string[])["\n", "\r", "\n", "\n\r", "\nACK", "\n", "\r", "\n\0"])
        {
            Assert.False(read.IsCompleted);
            await pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(part));
        }

        Assert.Equal(StompCommand.Ack, (await read).Message.Command);
    }

    [Theory]
    [InlineData("\rACK\n\n\0")]
    [InlineData("\0")]
    [InlineData(" ACK\n\n\0")]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("A\u007F\n")]
    [InlineData("A:\n")]
    [InlineData("ACK\r\r\n")]
    [InlineData("ACK\nno colon\n")]
    [InlineData("ACK\n:no name\n")]
    [InlineData("ACK\na:\\t\n")]
    [InlineData("ACK\na:\\\n")]
    [InlineData("ACK\n\\x:a\n")]
    [InlineData("ACK\na:\\n\\q\n")]
    [InlineData("ACK\na:b\rc\n")]
    [InlineData("ACK\na:b\0c\n")]
    [InlineData("CONNECT\na:b\0c\n")]
    [InlineData("CONNECT\na:\\x\rc\n")]
    [InlineData("SEND\ncontent-length:\n")]
    [InlineData("SEND\ncontent-length: 1\n")]
    [InlineData("SEND\ncontent-length:-1\n")]
    [InlineData("SEND\ncontent-length:+1\n")]
    [InlineData("SEND\ncontent-length:1x\n")]
    [InlineData("SEND\ncontent-length:2\n\nabc")]
    [InlineData("SEND\ncontent-length:0\n\n\n\0")]
    public async Task What_is_no_frame_ends_the_reading(string text)
    {
        foreach (var before in (string[])["", "\n", "ACK\n\n\0\n"])
        {
            var reader = Over(before + text + "\n\n\0ACK\n\n\0");
            if (before.Length > 1)
            {
                Assert.Equal(StompCommand.Ack, (await reader.ReadAsync()).Message.Command);
            }

            for (var i = 0; i < 2; i++)
            {
                var exception = await Assert.ThrowsAnyAsync<MessageFormatException>(async () => await reader.ReadAsync());
                Assert.IsType<MessageFormatException>(exception);
                Assert.False(exception.IsSkippable);
            }
        }
    }

    [Theory]
    [InlineData("12345\n\n", "123456")]
    [InlineData("12345\r\n\n", "12345\r\r")]
    [InlineData("A\na:345\n\n", "A\na:3456")]
    [InlineData("A\na:345\r\n\n", "A\na:345\rx")]
    [InlineData("A\na:\nb:\n\n", "A\na:\nb:\nc:\n")]
    [InlineData("A\n\n1234567", "A\n\n12345678")]
    [InlineData("A\nl:9\n\n", "A\ncontent-length:8\n\n", 100)]
    [InlineData("A\na:34\nb:4\n\n123456", "A\na:34\nb:4\n\n1234567")]
    public async Task Limits_are_kept_at_the_byte_that_is_above_one(string passes, string refused, int maxLine = 5)
    {
        var options = new StompOptions { MaxHeaders = 2, MaxHeaderLineSizeInBytes = maxLine, MaxBodySizeInBytes = 7, MaxMessageSizeInBytes = maxLine > 5 ? 119 : 19 };
        await ShowEndsWithAsync<MessageTruncatedException>(passes, options);
        await ShowEndsWithAsync<MessageTooLargeException>(refused, options);
    }

    [Fact]
    public async Task A_length_is_refused_before_its_body_is_there()
    {
        await ShowEndsWithAsync<MessageTruncatedException>("SEND\ncontent-length:10\n\n", new StompOptions { MaxMessageSizeInBytes = 35 });
        await ShowEndsWithAsync<MessageTooLargeException>("SEND\ncontent-length:10\n\n", new StompOptions { MaxMessageSizeInBytes = 34 });
        await ShowEndsWithAsync<MessageTooLargeException>("SEND\ncontent-length:9223372036854775807\n\n", new StompOptions());
        await ShowEndsWithAsync<MessageTooLargeException>($"SEND\ncontent-length:{new string('9', 100)}\n\n", new StompOptions());
        await ShowEndsWithAsync<MessageTooLargeException>("SEND\ncontent-length:2147483647\n\n", new StompOptions { MaxMessageSizeInBytes = int.MaxValue });
    }

    [Theory]
    [InlineData(0, 1, 1, 1)]
    [InlineData(1, -1, 1, 1)]
    [InlineData(1, 1, 0, 1)]
    [InlineData(1, 1, 1, -1)]
    public void Options_out_of_range_are_refused(int message, int headers, int line, int body)
    {
        var options = new StompOptions { MaxMessageSizeInBytes = message, MaxHeaders = headers, MaxHeaderLineSizeInBytes = line, MaxBodySizeInBytes = body };
        Assert.Throws<ArgumentOutOfRangeException>(() => new StompReader(options));
        Assert.Throws<ArgumentOutOfRangeException>(() => new StompWriter(options));
    }

    /// <summary>What was looked at is something else in the second call: who looks again finds it.</summary>
    [Theory]
    [InlineData("SEND\na:1\n\nbody", "SEND\n\0\0\0\0\0b\0dy rest\0", "b\0dy rest")]
    [InlineData("SEND\na:1\nlong", "SEND\n\0\0\0\nlo\ng:2\n\nx\0", "x")]
    [InlineData("SEND\ncontent-length:3\n\na", "SEND\n\0ontent-length:9\n\nabc\0", "abc")]
    public void What_was_looked_at_is_not_looked_at_again(string first, string second, string body)
    {
        var reader = new StompReader();
        var input = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(first));
        var (consumed, examined) = (input.Start, input.Start);
        Assert.False(reader.TryParse(input, ref consumed, ref examined, out _));
        var looked = input.Slice(input.Start, examined).Length;
        Assert.Equal(first.Length, looked);
        input = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(second));
        (consumed, examined) = (input.Start, input.GetPosition(looked));
        Assert.True(reader.TryParse(input, ref consumed, ref examined, out var frame));
        Assert.Equal(body, Encoding.UTF8.GetString(frame.Body));
    }

    [Fact]
    public void What_is_known_of_a_frame_is_forgotten_where_another_one_begins()
    {
        var reader = new StompReader();
        var input = new ReadOnlySequence<byte>("SEND\na:1\ncontent-length:100\n\n"u8.ToArray());
        var (consumed, examined) = (input.Start, input.Start);
        Assert.False(reader.TryParse(input, ref consumed, ref examined, out _));
        input = Segments.Of("ACK\n\n\0"u8.ToArray(), 0);
        (consumed, examined) = (input.Start, new SequencePosition(((ReadOnlySequenceSegment<byte>)input.Start.GetObject()!).Next, 0));
        Assert.NotEqual(consumed, examined);
        Assert.True(reader.TryParse(input, ref consumed, ref examined, out var frame));
        Assert.Equal(StompCommand.Ack, frame.Command);
    }

    [Fact]
    public async Task Headers_are_found_in_any_segments()
    {
        var bytes = "SEND\na\\cb:1\\n2\ndestination:/queue/a\r\n\nx\0"u8.ToArray();
        for (var first = 0; first <= bytes.Length; first++)
        {
            for (var second = first; second <= bytes.Length; second++)
            {
                var reader = new MessageReader<StompFrame>(PipeReader.Create(Segments.Of(bytes, first, second)), new StompReader());
                var frame = (await reader.ReadAsync()).Message;
                Assert.Equal("SEND", frame.CommandText.ToString());
                Assert.Equal(["a:b=1\n2", "destination=/queue/a"], HeadersOf(frame));
                Assert.True(frame.Headers.TryGet("destination"u8, out var destination) && destination.SequenceEqual("/queue/a"u8));
                Assert.False(destination.SequenceEqual("/queue/b"u8));
                Assert.True(frame.Headers.TryGet("a:b"u8, out var value) && value.SequenceEqual("1\n2"u8));
                Assert.Equal("x"u8.ToArray(), frame.Body.ToArray());
            }
        }
    }

    [Fact]
    public void Nothing_is_allocated_for_a_frame()
    {
        const int Frames = 1000;
        var format = new StompReader();
        var bytes = "\nSEND\ndestination:/queue/a\nreceipt:a\\cb\ncontent-length:3\n\nabc\0"u8.ToArray();
        foreach (var input in (ReadOnlySequence<byte>[])[new(bytes), Segments.Of(bytes, 10, 35)])
        {
            Assert.Equal(0, Allocations.LeastOf(() =>
            {
                for (var i = 0; i < Frames; i++)
                {
                    var frame = input.Slice(1);
                    var (consumed, examined) = (frame.Start, frame.Start);
                    Assert.True(format.TryParse(frame, ref consumed, ref examined, out var message));
                    Assert.True(message.Headers.TryGet("receipt"u8, out var receipt) && receipt.SequenceEqual("a:b"u8));
                    var length = 0L;
                    foreach (var header in message.Headers)
                    {
                        length += header.Value.Raw.Length;
                    }

                    Assert.True(length > 0 && message.Body.Length == 3);
                }
            }));
        }
    }

    internal static string[] HeadersOf(StompFrame frame)
    {
        var headers = new List<string>();
        foreach (var (name, value) in frame.Headers)
        {
            headers.Add($"{name}={value}");
        }

        return [.. headers];
    }

    internal static async Task<StompFrame> FrameOfAsync(string bytes) => (await Over(bytes).ReadAsync()).Message;

    private static MessageReader<StompFrame> Over(string bytes, StompOptions? options = null) =>
        new(PipeReader.Create(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(bytes))), new StompReader(options));

    /// <summary>In one part, and in parts of one byte.</summary>
    private static async Task ShowEndsWithAsync<TException>(string bytes, StompOptions options)
        where TException : MessageFormatException
    {
        await Assert.ThrowsAsync<TException>(async () => await Over(bytes, options).ReadAsync());
        var all = Encoding.UTF8.GetBytes(bytes);
        var segments = Segments.Of(all, [.. Enumerable.Range(1, all.Length - 1)]);
        await Assert.ThrowsAsync<TException>(async () => await new MessageReader<StompFrame>(PipeReader.Create(segments), new StompReader(options)).ReadAsync());
    }
}
