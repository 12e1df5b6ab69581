using System.Buffers;
using Peregrine.Protocols.Tests.Marks;

namespace Peregrine.Protocols.Tests.Cobs;

public sealed class CobsTests : MarkContract
{
    protected override byte Mark => 0;

    protected override int Overhead => 1;

    protected override byte[] Decoded => [1, 0, 2];

    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages =>
        [.. ((byte[][])[[], [0], [1], [0, 0], [1, 2, 3], [0x11, 0x22, 0, 0x33], [0x11, 0, 0, 0], [0xFF, 0]]).Select(message => (message, message))];

    protected override byte[]? ReadOf(byte[] written) => written;

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader(int most) => new CobsReader(most);

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter(int most) => new CobsWriter(most);

    [Theory]
    [InlineData("", "0100")]
    [InlineData("00", "010100")]
    [InlineData("0000", "01010100")]
    [InlineData("001100", "0102110100")]
    [InlineData("11220033", "031122023300")]
    [InlineData("11223344", "051122334400")]
    [InlineData("11000000", "021101010100")]
    public void Short_messages_are_written_as_the_examples_that_are_known(string message, string expected) =>
        Assert.Equal(expected, Convert.ToHexString(Encode(Convert.FromHexString(message))));

    [Theory]
    [InlineData(1, 253, "FE01", "FD00")]
    [InlineData(1, 254, "FF01", "FE00")]
    [InlineData(0, 255, "01FF01", "FE00")]
    [InlineData(1, 255, "FF01", "FE02FF00")]
    [InlineData(2, 255, "FF02", "FF010100")]
    [InlineData(3, 255, "FE03", "FF020100")]
    [InlineData(1, 508, "FF01", "00")]
    [InlineData(1, 5_000, "FF01", "00")]
    public async Task Runs_about_the_longest_are_written_as_the_examples_that_are_known(int first, int count, string start, string end)
    {
        byte[] message = [.. Enumerable.Range(first, count).Select(value => (byte)value)];
        var encoded = Encode(message);
        Assert.StartsWith(start, Convert.ToHexString(encoded), StringComparison.Ordinal);
        Assert.EndsWith(end, Convert.ToHexString(encoded), StringComparison.Ordinal);
        var reader = await Reading.OverAsync(encoded, new CobsReader());
        Assert.Equal(message, Reading.Take(reader));
    }

    [Theory]
    [InlineData(253, 1)]
    [InlineData(254, 1)]
    [InlineData(255, 2)]
    [InlineData(508, 2)]
    [InlineData(509, 3)]
    public void A_message_without_a_zero_becomes_longer_by_one_byte_for_each_254(int length, int codes)
    {
        byte[] message = [.. Enumerable.Repeat((byte)1, length)];
        Assert.Equal(length + codes + 1, Encode(message).Length);
    }

    /// <summary>Some end a full run with an empty one.</summary>
    [Fact]
    public async Task An_empty_run_behind_a_full_one_says_nothing()
    {
        byte[] message = [.. Enumerable.Repeat((byte)1, 254)];
        var reader = await Reading.OverAsync([0xFF, .. message, 1, 0], new CobsReader());
        Assert.Equal(message, Reading.Take(reader));
    }

    [Theory]
    [InlineData("02")]
    [InlineData("0311")]
    [InlineData("021102")]
    [InlineData("FF11")]
    [InlineData("01010103")]
    public async Task A_frame_with_a_code_that_says_more_than_there_is_is_skipped(string frame)
    {
        var reader = await Reading.OverAsync([.. Convert.FromHexString(frame), 0, .. Encode([7, 0, 8])], new CobsReader());
        Assert.True(Reading.Fails<MessageFormatException>(reader).IsSkippable);
        Assert.Equal([7, 0, 8], Reading.Take(reader));
    }

    [Fact]
    public void A_limit_out_of_range_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new CobsReader(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CobsWriter(2));
    }
}
