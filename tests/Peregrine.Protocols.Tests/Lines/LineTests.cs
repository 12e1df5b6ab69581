using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace Peregrine.Protocols.Tests.Lines;

public sealed class AnyLineTests : LineContract
{
    protected override LineOptions Options => new();
}

public sealed class LfLineTests : LineContract
{
    protected override LineOptions Options => new() { Ending = LineEnding.Lf };
}

public sealed class CrLfLineTests : LineContract
{
    protected override LineOptions Options => new() { Ending = LineEnding.CrLf };
}

public sealed class LastLineTests : LineContract
{
    protected override LineOptions Options => new() { EndOfInputEndsLine = true };

    protected override int LengthThatIsWhole(byte[] encoded) => 0;
}

/// <summary>Lines of each kind of end.</summary>
public abstract class LineContract : FramingContract
{
    protected abstract LineOptions Options { get; }

    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages =>
        [.. ((byte[][])[[], [.. "a"u8], [.. "b\0\xFF"u8], [.. "three words here"u8]]).Select(line => (line, line))];

    protected override byte[]? ReadOf(byte[] written) =>
        written.Contains((byte)'\n') || (Options.Ending != LineEnding.Lf && written.Contains((byte)'\r')) ? null : written;

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new LineReader(Options);

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() => new LineWriter(Options);
}

public sealed class LineEndTests
{
    [Theory]
    [InlineData(LineEnding.Any, "a\r\nb\n\r\n\rc\r\r\n", "a|b||\rc\r")]
    [InlineData(LineEnding.Lf, "a\r\nb\n\r\n", "a\r|b|\r")]
    [InlineData(LineEnding.CrLf, "a\nb\rc\r\n\r\n\n\r\r\n", "a\nb\rc||\n\r")]
    public async Task Ends_are_told_from_what_looks_like_them_however_they_are_cut(LineEnding ending, string text, string lines)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        var options = new LineOptions { Ending = ending };
        for (var first = 0; first <= bytes.Length; first++)
        {
            for (var second = first; second <= bytes.Length; second++)
            {
                Assert.Equal(lines.Split('|'), await Reading.AllAsync(Segments.Of(bytes, first, second), new TextMessageReader(new LineReader(options))));
                Assert.Equal(lines.Split('|'), await Reading.AllInPartsAsync(bytes, [first, second], new TextMessageReader(new LineReader(options))));
            }
        }

        Assert.Equal(lines.Split('|'), await Reading.AllInPartsAsync(bytes, [.. Enumerable.Range(1, bytes.Length - 1)], new TextMessageReader(new LineReader(options))));
    }

    [Theory]
    [InlineData("a\nb", "a|b")]
    [InlineData("a\n", "a")]
    [InlineData("\r", "\r")]
    [InlineData("a\r\n\n", "a|")]
    public async Task The_end_of_the_input_ends_the_last_line_where_it_may(string text, string lines)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        var format = new TextMessageReader(new LineReader(new LineOptions { EndOfInputEndsLine = true }));
        Assert.Equal(lines.Split('|'), await Reading.AllAsync(new ReadOnlySequence<byte>(bytes), format));
        Assert.Equal(lines.Split('|'), await Reading.AllInPartsAsync(bytes, [.. Enumerable.Range(1, bytes.Length - 1)], format));
    }

    [Fact]
    public async Task The_longest_line_passes_and_a_longer_one_is_refused_before_it_is_there()
    {
        var options = new LineOptions { MaxMessageSizeInBytes = 10 };
        var output = new ArrayBufferWriter<byte>();
        new LineWriter(options).Write("123456789"u8, output);
        Assert.Throws<MessageTooLargeException>(() => new LineWriter(options).Write("1234567890"u8, output));
        Assert.Equal(["123456789"], await Reading.AllAsync(new ReadOnlySequence<byte>(output.WrittenMemory), new TextMessageReader(new LineReader(options))));

        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(new ReadOnlySequence<byte>("1234567890"u8.ToArray())), new LineReader(options));
        Assert.True(await reader.WaitToReadAsync());
        Assert.False(Assert.Throws<MessageTooLargeException>(() => reader.TryRead(out _)).IsSkippable);
    }

    [Fact]
    public async Task A_line_that_is_too_long_and_whole_is_skipped()
    {
        var reader = new MessageReader<string>(
            PipeReader.Create(new ReadOnlySequence<byte>("12345678901\nx\n"u8.ToArray())), new TextMessageReader(new LineReader(new() { MaxMessageSizeInBytes = 10 })));
        Assert.True((await Assert.ThrowsAsync<MessageTooLargeException>(async () => await reader.ReadAsync())).IsSkippable);
        Assert.Equal("x", (await reader.ReadAsync()).Message);
    }

    [Fact]
    public async Task A_line_that_is_too_long_is_skipped_also_among_many_that_come_together()
    {
        const int Lines = 100;
        var text = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, Lines).Select(i => i == 50 ? "12345678901\n" : $"{i}\r\n")));
        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(Segments.Of(text, 1)), new LineReader(new() { MaxMessageSizeInBytes = 10 }));
        Assert.True(await reader.WaitToReadAsync());
        for (var i = 0; i < Lines; i++)
        {
            if (i == 50)
            {
                Assert.True(Reading.Fails<MessageTooLargeException>(reader).IsSkippable);
            }
            else
            {
                Assert.Equal($"{i}", Encoding.ASCII.GetString(Reading.Take(reader)));
            }
        }

        Assert.False(reader.TryRead(out _));
    }

    [Theory]
    [InlineData(LineEnding.Any)]
    [InlineData(LineEnding.Lf)]
    [InlineData(LineEnding.CrLf)]
    public async Task Many_lines_in_one_read_are_those_that_come_byte_by_byte(LineEnding ending)
    {
        var random = new Random(20_261);
        var text = new byte[4000];
        for (var i = 0; i < text.Length; i++)
        {
            // Lines of a few bytes, and some that are longer than a vector.
            text[i] = random.Next(i % 1000 < 700 ? 8 : 200) switch { 0 => (byte)'\n', 1 or 2 => (byte)'\r', _ => (byte)'x' };
        }

        "\r\n"u8.CopyTo(text.AsSpan(^2));
        var format = new LineReader(new() { Ending = ending });
        var expected = await Reading.AllInPartsAsync(text, [.. Enumerable.Range(1, text.Length - 1)], format, line => Encoding.ASCII.GetString(line));
        for (var cut = 0; cut < 130; cut++)
        {
            Assert.Equal(expected, await Reading.AllInPartsAsync(text, [cut, 1000 + cut], format, line => Encoding.ASCII.GetString(line)));
        }
    }

    [Fact]
    public async Task The_last_line_is_as_long_as_it_may_be_without_an_end()
    {
        var options = new LineOptions { MaxMessageSizeInBytes = 3, EndOfInputEndsLine = true };
        Assert.Equal(["ab", "cde"], await Reading.AllInPartsAsync("ab\ncde"u8.ToArray(), [6], new TextMessageReader(new LineReader(options))));
        await Assert.ThrowsAsync<MessageTooLargeException>(() => Reading.AllInPartsAsync("ab\ncdef"u8.ToArray(), [7], new TextMessageReader(new LineReader(options))));
    }

    [Theory]
    [InlineData(LineEnding.Any, "a\rb")]
    [InlineData(LineEnding.CrLf, "a\r")]
    [InlineData(LineEnding.CrLf, "\n")]
    [InlineData(LineEnding.Lf, "a\nb")]
    public void A_line_with_an_end_in_it_is_not_written(LineEnding ending, string line)
    {
        var bytes = Encoding.ASCII.GetBytes(line);
        var writer = new LineWriter(new LineOptions { Ending = ending });
        Assert.Throws<MessageFormatException>(() => writer.Write(bytes, new ArrayBufferWriter<byte>()));
        Assert.Throws<MessageFormatException>(() => writer.Write(Segments.Of(bytes, 1), new ArrayBufferWriter<byte>()));
    }

    [Fact]
    public void Each_end_is_written_as_it_is_called()
    {
        foreach (var (ending, expected) in ((LineEnding, string)[])[(LineEnding.Any, "a\n"), (LineEnding.Lf, "a\n"), (LineEnding.CrLf, "a\r\n")])
        {
            var output = new ArrayBufferWriter<byte>();
            new LineWriter(new LineOptions { Ending = ending }).Write("a"u8, output);
            Assert.Equal(expected, Encoding.ASCII.GetString(output.WrittenSpan));
        }
    }

    [Theory]
    [InlineData(LineEnding.Any, "x")]
    [InlineData(LineEnding.CrLf, "\n")]
    [InlineData(LineEnding.CrLf, "\r")]
    public void A_line_that_comes_byte_by_byte_is_not_looked_at_again(LineEnding ending, string of) =>
        Looking.IsOnce(new LineReader(new LineOptions { Ending = ending }), Encoding.ASCII.GetBytes(of)[0], lookedTwice: 1);

    [Theory]
    [InlineData((LineEnding)3, 100)]
    [InlineData((LineEnding)(-1), 100)]
    [InlineData(LineEnding.Lf, 1)]
    [InlineData(LineEnding.Lf, -1)]
    public void Options_out_of_range_are_refused(LineEnding ending, int most)
    {
        var options = new LineOptions { Ending = ending, MaxMessageSizeInBytes = most };
        Assert.Throws<ArgumentOutOfRangeException>(() => new LineReader(options));
        Assert.Throws<ArgumentOutOfRangeException>(() => new LineWriter(options));
    }

    [Fact]
    public async Task Nothing_is_allocated_for_a_line()
    {
        const int Lines = 1000, MostRounds = 10;
        var text = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("a line\r\n", Lines * MostRounds)));
        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(Segments.Of(text, 4, 5001)), new LineReader());
        var output = new ArrayBufferWriter<byte>(text.Length);
        var writer = new LineWriter();
        Assert.True(await reader.WaitToReadAsync());
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < Lines; i++)
            {
                Assert.True(reader.TryRead(out var line) && line.Length == 6);
                writer.Write(line, output);
            }
        }));
    }
}
