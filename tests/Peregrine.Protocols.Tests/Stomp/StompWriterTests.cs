using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Peregrine.Protocols.Tests.Stomp;

public sealed class StompWriterTests
{
    private readonly StompFrameBuilder _frame = new(StompCommand.Send);

    [Fact]
    public void A_frame_is_its_command_its_length_its_headers_and_its_body()
    {
        _frame.Add("destination", "/queue/ä").Add("a:b"u8, "1\r\n\\"u8).Body = new ReadOnlySequence<byte>("hi\0"u8.ToArray());
        Assert.Equal("SEND\ncontent-length:3\ndestination:/queue/ä\na\\cb:1\\r\\n\\\\\n\nhi\0\0", Write(_frame));
        Assert.Equal("SEND\ncontent-length:0\n\n\0", Write(_frame.Start(StompCommand.Send)));
        Assert.Equal("CONNECTED\nversion:1.2\nsession:a:\\b\n\n\0", Write(_frame.Start(StompCommand.Connected).Add("version", "1.2").Add("session", "a:\\b")));
    }

    [Fact]
    public void A_heart_beat_is_a_line_feed()
    {
        var bytes = new ArrayBufferWriter<byte>();
        new StompWriter().Write(default(StompHeartBeat), bytes);
        Assert.Equal("\n"u8, bytes.WrittenSpan);
    }

    [Theory]
    [InlineData(StompCommand.Send, "", "x")]
    [InlineData(StompCommand.Send, "a\0", "x")]
    [InlineData(StompCommand.Send, "a", "\0")]
    [InlineData(StompCommand.Send, "content-length", "1")]
    [InlineData(StompCommand.Connect, "a:b", "x")]
    [InlineData(StompCommand.Connect, "a\n", "x")]
    [InlineData(StompCommand.Connected, "a", "x\n")]
    [InlineData(StompCommand.Connected, "a", "x\r")]
    [InlineData(StompCommand.Connect, "a", "\0")]
    public void A_header_that_cannot_be_said_is_refused_and_the_frame_is_as_before(StompCommand command, string name, string value)
    {
        var frame = new StompFrameBuilder(command).Add("before", "1");
        var written = Write(frame);
        Assert.Throws<MessageFormatException>(() => frame.Add(name, value));
        Assert.Equal(written, Write(frame));
    }

    [Fact]
    public void Half_of_a_pair_of_surrogates_is_refused()
    {
        Assert.Throws<MessageFormatException>(() => _frame.Add("a", [(char)0xD800]));
        Assert.Throws<MessageFormatException>(() => _frame.Add([(char)0xDC00], "a"));
        Assert.Equal("SEND\ncontent-length:0\n\n\0", Write(_frame));
    }

    [Fact]
    public void A_body_is_refused_where_there_is_none_or_where_it_has_no_end()
    {
        var body = new ReadOnlySequence<byte>([1, 0]);
        Assert.Throws<MessageFormatException>(() => Write(new StompFrameBuilder(StompCommand.Receipt) { Body = new([1]) }));
        Assert.Throws<MessageFormatException>(() => Write(new StompFrameBuilder(StompCommand.Error) { Body = body }, new() { WritesContentLength = false }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new StompFrameBuilder(StompCommand.Other));
    }

    [Fact]
    public async Task The_largest_frame_passes_in_both_directions_and_one_byte_more_in_none()
    {
        // Its longest line has 16, it has two headers, and a body of 7.
        _frame.Add("abc", "de").Body = new ReadOnlySequence<byte>(new byte[7]);
        var bytes = Write(_frame);
        Assert.Equal(38, bytes.Length);
        foreach (var (options, isTaken) in ((StompOptions, bool)[])[
            (new() { MaxMessageSizeInBytes = 38, MaxHeaders = 2, MaxHeaderLineSizeInBytes = 16, MaxBodySizeInBytes = 7 }, true),
            (new() { MaxMessageSizeInBytes = 37 }, false), (new() { MaxHeaders = 1 }, false), (new() { MaxHeaderLineSizeInBytes = 15 }, false), (new() { MaxBodySizeInBytes = 6 }, false)])
        {
            var reader = new MessageReader<StompFrame>(PipeReader.Create(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(bytes))), new StompReader(options));
            if (isTaken)
            {
                Assert.Equal(bytes, Write(_frame, options));
                Assert.Equal(7, (await reader.ReadAsync()).Message.Body.Length);
            }
            else
            {
                Assert.Throws<MessageTooLargeException>(() => Write(_frame, options));
                await Assert.ThrowsAsync<MessageTooLargeException>(async () => await reader.ReadAsync());
            }
        }
    }

    [Fact]
    public void Any_headers_pass_and_are_passed_on_cut_anywhere()
    {
        var bytes = Gen.OneOf(Gen.Elements<byte>((byte)':', (byte)'\\', (byte)'\n', (byte)'\r', (byte)'n', (byte)'c', (byte)'r'), Gen.Choose(1, 255).Select(value => (byte)value));
        var headers = bytes.NonEmptyListOf().Zip(bytes.ArrayOf()).ArrayOf(20);
        var commands = Gen.Elements(Enum.GetValues<StompCommand>().Except([StompCommand.Other, StompCommand.Connect, StompCommand.Connected]));
        Prop.ForAll(headers.Zip(commands).Zip(Gen.Choose(0, int.MaxValue)).ToArbitrary(), async tried =>
        {
            var ((fields, command), place) = tried;
            var frame = new StompFrameBuilder(command);
            foreach (var (name, value) in fields)
            {
                frame.Add(name.ToArray(), value);
            }

            var written = Encoding.Latin1.GetBytes(Write(frame, latin1: true));
            var again = new StompFrameBuilder(command);
            var input = PipeReader.Create(Segments.Of(written, place % (written.Length + 1)));
            var read = (await new MessageReader<StompFrame>(input, new StompReader()).ReadAsync()).Message;
            var found = new List<(byte[], byte[])>();
            foreach (var header in read.Headers)
            {
                if (!header.Name.SequenceEqual("content-length"u8))
                {
                    found.Add((BytesOf(header.Name), BytesOf(header.Value)));
                    again.Add(header);
                }
            }

            Assert.Equal(fields.Select(field => (field.Item1.ToArray(), field.Item2)), found);
            Assert.All(fields, field => Assert.True(read.Headers.TryGet(field.Item1.ToArray(), out var value)
                && value.SequenceEqual(fields.First(other => other.Item1.SequenceEqual(field.Item1)).Item2)));
            Assert.Equal(written, Encoding.Latin1.GetBytes(Write(again, latin1: true)));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300).WithReplay(20_262, 77));
    }

    [Fact]
    public void Nothing_is_allocated_for_a_frame_whose_builder_is_used_again()
    {
        var bytes = new ArrayBufferWriter<byte>(1 << 16);
        var writer = new StompWriter();
        var body = new ReadOnlySequence<byte>([1, 2, 3]);
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                bytes.ResetWrittenCount();
                _frame.Start(StompCommand.Message).Add("destination", "/queue/a").Add("message-id"u8, "a:1"u8).Body = body;
                writer.Write(_frame, bytes);
            }
        }));
        Assert.Equal("MESSAGE\ncontent-length:3\ndestination:/queue/a\nmessage-id:a\\c1\n\n\u0001\u0002\u0003\0", Encoding.UTF8.GetString(bytes.WrittenSpan));
    }

    private static string Write(StompFrameBuilder frame, StompOptions? options = null, bool latin1 = false)
    {
        var bytes = new ArrayBufferWriter<byte>();
        new StompWriter(options).Write(frame, bytes);
        return (latin1 ? Encoding.Latin1 : Encoding.UTF8).GetString(bytes.WrittenSpan);
    }

    private static byte[] BytesOf(WireText text)
    {
        var bytes = new byte[text.Raw.Length];
        Assert.True(text.TryCopyTo(bytes, out var length));
        return bytes[..length];
    }
}
