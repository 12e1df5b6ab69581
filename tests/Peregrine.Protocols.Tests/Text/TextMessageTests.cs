using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace Peregrine.Protocols.Tests.Text;

public sealed class TextMessageTests
{
    private static readonly TextMessageReader s_reader = new(new LineReader());
    private static readonly TextMessageWriter s_writer = new(new LineWriter());

    [Fact]
    public async Task Characters_that_are_cut_by_reads_and_segments_are_whole()
    {
        const string Text = "aä€😀";
        var output = new ArrayBufferWriter<byte>();
        s_writer.Write(Text, output);
        var bytes = output.WrittenMemory.ToArray();
        for (var cut = 0; cut <= bytes.Length; cut++)
        {
            Assert.Equal([Text], await Reading.AllAsync(Segments.Of(bytes, cut), s_reader));
            Assert.Equal([Text], await Reading.AllInPartsAsync(bytes, [cut], s_reader));
        }
    }

    [Theory]
    [InlineData("FF0A", "")]
    [InlineData("610A", "a")]
    [InlineData("E282610A", "")]
    [InlineData("EDA0800A", "")]
    [InlineData("C00A", "")]
    public async Task Bytes_that_are_no_text_are_refused_and_skipped(string line, string text)
    {
        byte[] bytes = [.. Convert.FromHexString(line), .. "next\n"u8];
        var reader = new MessageReader<string>(PipeReader.Create(new ReadOnlySequence<byte>(bytes)), s_reader);
        if (text.Length > 0)
        {
            Assert.Equal(text, (await reader.ReadAsync()).Message);
        }
        else
        {
            Assert.True((await Assert.ThrowsAsync<MessageFormatException>(async () => await reader.ReadAsync())).IsSkippable);
        }

        Assert.Equal("next", (await reader.ReadAsync()).Message);
    }

    [Fact]
    public async Task A_last_line_that_is_no_text_is_refused_too()
    {
        var format = new TextMessageReader(new LineReader(new LineOptions { EndOfInputEndsLine = true }));
        var reader = new MessageReader<string>(PipeReader.Create(new ReadOnlySequence<byte>([0xFF])), format);
        Assert.True((await Assert.ThrowsAsync<MessageFormatException>(async () => await reader.ReadAsync())).IsSkippable);
        Assert.True((await reader.ReadAsync()).IsCompleted);
    }

    [Fact]
    public async Task Another_encoding_is_taken_as_it_is()
    {
        var bytes = new ReadOnlySequence<byte>([0xE4, 0xFF, (byte)'\n']);
        Assert.Equal(["äÿ"], await Reading.AllAsync(bytes, new TextMessageReader(new LineReader(), Encoding.Latin1)));
        Assert.Equal(["\uFFFD\uFFFD"], await Reading.AllAsync(bytes, new TextMessageReader(new LineReader(), Encoding.UTF8)));
        var output = new ArrayBufferWriter<byte>();
        new TextMessageWriter(new LineWriter(), Encoding.Latin1).Write("äÿ".AsSpan(), output);
        Assert.Equal(bytes.ToArray(), output.WrittenSpan.ToArray());
    }

    [Fact]
    public async Task Empty_and_long_text_passes_in_any_framing()
    {
        string[] texts = ["", new string('ä', 5000), "line\nline"];
        var output = new ArrayBufferWriter<byte>();
        foreach (var text in texts)
        {
            new TextMessageWriter(new LengthFieldWriter()).Write(text, output);
        }

        var format = new TextMessageReader(new LengthFieldReader(new LengthFieldOptions { MaxMessageSizeInBytes = 20_000 }));
        Assert.Equal(20_000, format.MaxMessageSizeInBytes);
        Assert.Equal(texts, await Reading.AllAsync(new ReadOnlySequence<byte>(output.WrittenMemory), format));
    }

    [Fact]
    public void What_cannot_be_said_is_not_written()
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.Throws<MessageFormatException>(() => s_writer.Write("half \uD83D a pair", output));
        Assert.Throws<MessageFormatException>(() => s_writer.Write("two\nlines", output));
        Assert.Throws<ArgumentNullException>(() => s_writer.Write((string)null!, output));
        Assert.Equal(0, output.WrittenCount);
    }
}
