using System.Buffers;
using System.Text;

namespace Peregrine.Protocols.Tests.Marks;

public sealed class PlainHdlcTests : HdlcContract
{
    protected override HdlcOptions Options => new();
}

public sealed class CheckedHdlcTests : HdlcContract
{
    protected override HdlcOptions Options => new() { HasFrameCheckSequence = true, ControlCharacterMap = uint.MaxValue };

    protected override int Overhead => 2;
}

public abstract class HdlcContract : MarkContract
{
    protected abstract HdlcOptions Options { get; }

    protected override byte Mark => 0x7E;

    protected override byte[] Decoded => [1, 0x7E, 2];

    protected override int BytesInFront => 1;

    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages =>
        [.. ((byte[][])[[1], [0x7E], [0x7D], [0x5D, 0x5E], [0x20, 0x40, 0xFF], [0x11, 0x13, 0], [1, 0x7D, 0x7E]]).Select(message => (message, message))];

    protected override byte[]? ReadOf(byte[] written) => written.Length == 0 ? null : written;

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader(int most) => new HdlcReader(With(most));

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter(int most) => new HdlcWriter(With(most));

    private HdlcOptions With(int most)
    {
        var options = Options;
        options.MaxMessageSizeInBytes = most;
        return options;
    }
}

public sealed class HdlcFormatTests
{
    private static readonly HdlcOptions s_checked = new() { HasFrameCheckSequence = true };

    [Fact]
    public void It_is_written_as_the_RFC_has_it()
    {
        Assert.Equal("7E017D5E027D5D03117E", Convert.ToHexString(Reading.Written([1, 0x7E, 2, 0x7D, 3, 0x11], new HdlcWriter())));
        var mapped = new HdlcWriter(new HdlcOptions { ControlCharacterMap = 1u << 0x11 | 1u << 0x1F });
        Assert.Equal("7E017D31037D3F207E", Convert.ToHexString(Reading.Written([1, 0x11, 3, 0x1F, 0x20], mapped)));
    }

    /// <summary>The check value that catalogues of CRCs have for CRC-16/X-25.</summary>
    [Fact]
    public void The_check_sequence_is_that_of_the_RFC() =>
        Assert.Equal("~123456789\u006E\u0090~", Encoding.Latin1.GetString(Reading.Written("123456789"u8.ToArray(), new HdlcWriter(s_checked))));

    [Fact]
    public async Task Frames_may_share_a_flag()
    {
        var reader = await Reading.OverAsync([0x7E, 1, 0x7E, 2, 0x7D, 0x5E, 0x7E, 3, 0x7E], new HdlcReader());
        Assert.Equal([1], Reading.Take(reader));
        Assert.Equal([2, 0x7E], Reading.Take(reader));
        Assert.Equal([3], Reading.Take(reader));
        Assert.False(reader.TryRead(out _));
    }

    [Theory]
    [InlineData("7D")]
    [InlineData("01027D")]
    [InlineData("017D5E7D")]
    [InlineData("7D11")]
    [InlineData("11")]
    public async Task A_frame_that_was_aborted_or_has_nothing_is_dropped(string frame)
    {
        var format = new HdlcReader(new HdlcOptions { ControlCharacterMap = 1u << 0x11 });
        var reader = await Reading.OverAsync([0x7E, .. Convert.FromHexString(frame), 0x7E, 7, 8, 0x7E], format);
        Assert.Equal([7, 8], Reading.Take(reader));
        Assert.False(await reader.WaitToReadAsync());
    }

    [Fact]
    public async Task Any_number_of_aborted_frames_is_dropped()
    {
        byte[] aborted = [.. Enumerable.Repeat((byte[])[0x7D, 0x7E], 200_000).SelectMany(frame => frame)];
        var reader = await Reading.OverAsync([.. aborted, 1, 0x7E], new HdlcReader());
        Assert.Equal([1], Reading.Take(reader));
    }

    [Theory]
    [InlineData("017D114102")]
    [InlineData("11017D4102")]
    [InlineData("017D41021111")]
    public async Task What_the_line_has_put_in_is_removed(string frame)
    {
        byte[] bytes = [0x7E, .. Convert.FromHexString(frame), 0x7E];
        var reader = await Reading.OverAsync(bytes, new HdlcReader(new HdlcOptions { ControlCharacterMap = 1u << 0x11 }));
        Assert.Equal([1, 0x61, 2], Reading.Take(reader));
    }

    [Fact]
    public async Task A_byte_that_need_not_be_escaped_may_be()
    {
        var reader = await Reading.OverAsync([0x7E, 0x7D, 0x31, 0x7D, 0x41, 0x7D, 0x7D, 0x7E], new HdlcReader());
        Assert.Equal([0x11, 0x61, 0x5D], Reading.Take(reader));
    }

    [Fact]
    public async Task Every_bit_that_is_wrong_is_found_by_the_check_sequence_and_the_frame_is_skipped()
    {
        byte[] good = Reading.Written([0x41, 0x42, 0x43], new HdlcWriter(s_checked));
        for (var bit = 8; bit < 8 * (good.Length - 1); bit++)
        {
            byte[] bad = [.. good];
            bad[bit / 8] ^= (byte)(1 << (bit % 8));
            if (bad[bit / 8] is 0x7E or 0x7D)
            {
                continue;
            }

            var reader = await Reading.OverAsync([.. bad, .. good], new HdlcReader(s_checked));
            Assert.True(Reading.Fails<MessageFormatException>(reader).IsSkippable);
            Assert.Equal([0x41, 0x42, 0x43], Reading.Take(reader));
        }
    }

    [Theory]
    [InlineData("01")]
    [InlineData("0102")]
    [InlineData("0000")]
    public async Task A_frame_that_is_no_longer_than_its_check_sequence_is_dropped(string frame)
    {
        var reader = await Reading.OverAsync([.. Convert.FromHexString(frame), 0x7E, .. Reading.Written([9], new HdlcWriter(s_checked))], new HdlcReader(s_checked));
        Assert.Equal([9], Reading.Take(reader));
    }

    [Theory]
    [InlineData(false, 2)]
    [InlineData(true, 4)]
    [InlineData(true, -1)]
    public void Options_out_of_range_are_refused(bool isChecked, int most)
    {
        var options = new HdlcOptions { HasFrameCheckSequence = isChecked, MaxMessageSizeInBytes = most };
        Assert.Throws<ArgumentOutOfRangeException>(() => new HdlcReader(options));
        Assert.Throws<ArgumentOutOfRangeException>(() => new HdlcWriter(options));
    }
}
