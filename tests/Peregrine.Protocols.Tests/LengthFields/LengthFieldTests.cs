using System.Buffers;
using System.IO.Pipelines;

namespace Peregrine.Protocols.Tests.LengthFields;

public sealed class DefaultLengthFieldTests : LengthFieldContract
{
    protected override LengthFieldOptions Options => new();
}

public sealed class OneByteLengthFieldTests : LengthFieldContract
{
    protected override LengthFieldOptions Options => new() { Width = 1, CountsHeader = true };
}

public sealed class TwoBytesOfHeaderLengthFieldTests : LengthFieldContract
{
    protected override LengthFieldOptions Options => new() { Offset = 2, Width = 3, IsLittleEndian = true };
}

public sealed class WholeFrameLengthFieldTests : LengthFieldContract
{
    protected override LengthFieldOptions Options => new() { Offset = 1, Width = 8, CountsHeader = true, BytesToStrip = 0 };
}

public sealed class AdjustedLengthFieldTests : LengthFieldContract
{
    protected override LengthFieldOptions Options => new() { Width = 2, IsLittleEndian = true, Adjustment = 2, BytesToStrip = 1 };
}

/// <summary>Messages of each kind of length field.</summary>
public abstract class LengthFieldContract : FramingContract
{
    protected abstract LengthFieldOptions Options { get; }

    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages
    {
        get
        {
            var options = Options;
            return [.. ((byte[][])[[], [1], [2, 3], [0, 0, 0, 0, 0], [.. Enumerable.Range(0, 9).Select(i => (byte)i)]]).Select(payload =>
            {
                byte[] written = [.. new byte[options.Offset], .. payload, .. new byte[Math.Max(0, options.Adjustment)]];
                return (written, ReadOf(written)!);
            })];
        }
    }

    protected override byte[]? ReadOf(byte[] written)
    {
        var options = Options;
        if (written.Length < options.Offset + Math.Max(0, options.Adjustment))
        {
            return null;
        }

        byte[] frame = [.. written[..options.Offset], .. LengthOf(options, written.Length + options.Width), .. written[options.Offset..]];
        return frame[(options.BytesToStrip ?? (options.Offset + options.Width))..];
    }

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => new LengthFieldReader(Options);

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() => new LengthFieldWriter(Options);

    private static byte[] LengthOf(LengthFieldOptions options, int frame)
    {
        var counted = frame - options.Adjustment - (options.CountsHeader ? 0 : options.Offset + options.Width);
        var bytes = Enumerable.Range(0, options.Width).Select(i => (byte)(i < 4 ? counted >> (8 * i) : 0)).ToArray();
        return options.IsLittleEndian ? bytes : [.. bytes.Reverse()];
    }
}

public sealed class LengthFieldLimitTests
{
    [Theory]
    [InlineData(4, 0, "FFFFFFFF")]
    [InlineData(4, 0, "00100001")]
    [InlineData(8, 0, "FFFFFFFFFFFFFFFF")]
    [InlineData(8, int.MaxValue, "7FFFFFFFFFFFFFFF")]
    [InlineData(8, int.MinValue, "8000000000000000")]
    public async Task What_is_too_large_is_refused_when_its_length_is_there(int width, int adjustment, string header)
    {
        var reader = await OverAsync(header, new LengthFieldOptions { Width = width, Adjustment = adjustment });
        for (var i = 0; i < 2; i++)
        {
            Assert.False(Assert.Throws<MessageTooLargeException>(() => reader.TryRead(out _)).IsSkippable);
        }
    }

    [Theory]
    [InlineData(0, true, null, "00000003")]
    [InlineData(-5, false, null, "00000000")]
    [InlineData(-5, false, null, "00000004")]
    [InlineData(0, false, 6, "00000001")]
    public async Task A_frame_that_is_less_than_its_beginning_is_no_message(int adjustment, bool countsHeader, int? strip, string header)
    {
        var reader = await OverAsync(header, new LengthFieldOptions { Adjustment = adjustment, CountsHeader = countsHeader, BytesToStrip = strip });
        Assert.IsType<MessageFormatException>(Record.Exception(() => reader.TryRead(out _)));
    }

    [Fact]
    public async Task The_largest_frame_passes_in_both_directions_and_one_byte_more_in_none()
    {
        var options = new LengthFieldOptions { Width = 2, MaxMessageSizeInBytes = 100 };
        var bytes = new ArrayBufferWriter<byte>();
        new LengthFieldWriter(options).Write(new byte[98].AsSpan(), bytes);
        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(new ReadOnlySequence<byte>(bytes.WrittenMemory)), new LengthFieldReader(options));
        Assert.True(await reader.WaitToReadAsync());
        Assert.True(reader.TryRead(out var message));
        Assert.Equal(98, message.Length);
        Assert.Throws<MessageTooLargeException>(() => new LengthFieldWriter(options).Write(new byte[99].AsSpan(), bytes));
        var tooLong = await OverAsync("0063", options);
        Assert.Throws<MessageTooLargeException>(() => tooLong.TryRead(out _));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(20)]
    [InlineData(40)]
    public async Task A_frame_that_is_refused_is_refused_when_those_in_front_of_it_are_taken(int before)
    {
        byte[] bytes = [.. Enumerable.Repeat<byte[]>([0, 1, 7], before).SelectMany(frame => frame), 0, 99, .. new byte[200]];
        var options = new LengthFieldOptions { Width = 2, MaxMessageSizeInBytes = 100 };
        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(Segments.Of(bytes, 1)), new LengthFieldReader(options));
        Assert.True(await reader.WaitToReadAsync());
        for (var i = 0; i < before; i++)
        {
            Assert.Equal([7], Reading.Take(reader));
        }

        for (var i = 0; i < 2; i++)
        {
            Assert.False(Reading.Fails<MessageTooLargeException>(reader).IsSkippable);
        }

        Assert.Equal(bytes.Length - (3 * before), reader.Release());
    }

    [Fact]
    public async Task What_was_not_taken_of_many_frames_is_there_for_the_next_format()
    {
        const int Frames = 40;
        byte[] bytes = [.. Enumerable.Range(0, Frames).SelectMany(i => (byte[])[1, (byte)i])];
        for (var taken = 1; taken < Frames; taken++)
        {
            var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(Segments.Of(bytes, 1)), new LengthFieldReader(new() { Width = 1 }));
            Assert.True(await reader.WaitToReadAsync());
            for (var i = 0; i < taken; i++)
            {
                Assert.Equal([(byte)i], Reading.Take(reader));
            }

            var next = reader.SwitchTo(new FixedSizeReader(2));
            Assert.True(await next.WaitToReadAsync());
            Assert.Equal([1, (byte)taken], Reading.Take(next));
        }
    }

    [Fact]
    public void A_length_that_its_field_cannot_say_is_not_written()
    {
        var bytes = new ArrayBufferWriter<byte>();
        new LengthFieldWriter(new LengthFieldOptions { Width = 1 }).Write(new byte[255].AsSpan(), bytes);
        Assert.Throws<MessageFormatException>(() => new LengthFieldWriter(new LengthFieldOptions { Width = 1 }).Write(new byte[256].AsSpan(), bytes));
        Assert.Throws<MessageFormatException>(() => new LengthFieldWriter(new LengthFieldOptions { Adjustment = 2 }).Write(new byte[1].AsSpan(), bytes));
        Assert.Throws<MessageFormatException>(() => new LengthFieldWriter(new LengthFieldOptions { Offset = 2 }).Write(new byte[1].AsSpan(), bytes));
    }

    [Theory]
    [InlineData(-1, 4, null, 100)]
    [InlineData(0, 5, null, 100)]
    [InlineData(0, 0, null, 100)]
    [InlineData(0, 4, -1, 100)]
    [InlineData(0, 4, null, 0)]
    [InlineData(97, 4, null, 100)]
    [InlineData(int.MaxValue, 4, null, int.MaxValue)]
    public void Options_out_of_range_are_refused(int offset, int width, int? strip, int most)
    {
        var options = new LengthFieldOptions { Offset = offset, Width = width, BytesToStrip = strip, MaxMessageSizeInBytes = most };
        Assert.Throws<ArgumentOutOfRangeException>(() => new LengthFieldReader(options));
        Assert.Throws<ArgumentOutOfRangeException>(() => new LengthFieldWriter(options));
    }

    private static async Task<MessageReader<ReadOnlySequence<byte>>> OverAsync(string bytes, LengthFieldOptions options)
    {
        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(new ReadOnlySequence<byte>(Convert.FromHexString(bytes))), new LengthFieldReader(options));
        Assert.True(await reader.WaitToReadAsync());
        return reader;
    }
}
