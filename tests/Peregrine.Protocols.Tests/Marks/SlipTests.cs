using System.Buffers;

namespace Peregrine.Protocols.Tests.Marks;

public sealed class SlipTests : MarkContract
{
    protected override byte Mark => 0xC0;

    protected override int BytesInFront => 1;

    protected override byte[] Decoded => [1, 0xC0, 2];

    protected override IReadOnlyList<(byte[] Written, byte[] Read)> Messages =>
        [.. ((byte[][])[[1], [0xC0], [0xDB], [0xDC, 0xDD], [1, 2, 3], [0xDB, 0xDC, 0xC0, 0xC0], [4, 0xC0]]).Select(message => (message, message))];

    protected override byte[]? ReadOf(byte[] written) => written.Length == 0 ? null : written;

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader(int most) => new SlipReader(most);

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter(int most) => new SlipWriter(most);

    [Fact]
    public void It_is_written_as_the_RFC_has_it() => Assert.Equal("C001DBDC02DBDD03C0", Convert.ToHexString(Encode([1, 0xC0, 2, 0xDB, 3])));

    [Theory]
    [InlineData("01DB02C0")]
    [InlineData("DBC0")]
    [InlineData("DBDBDCC0")]
    [InlineData("DBDC01DBC0")]
    public async Task A_frame_with_anything_else_behind_its_escape_byte_is_skipped(string frame)
    {
        var reader = await Reading.OverAsync([0xC0, .. Convert.FromHexString(frame), 0xC0, 7, 8, 0xC0], new SlipReader());
        Assert.True(Reading.Fails<MessageFormatException>(reader).IsSkippable);
        Assert.Equal([7, 8], Reading.Take(reader));
    }

    [Fact]
    public async Task Escapes_count_as_they_are_on_the_wire()
    {
        var reader = await Reading.OverAsync(Reading.Written([0xC0, 1], new SlipWriter(5)), new SlipReader(5));
        Assert.Equal([0xC0, 1], Reading.Take(reader));
        Assert.Throws<MessageTooLargeException>(() => Reading.Written([0xC0, 1], new SlipWriter(4)));
        var tooLarge = await Reading.OverAsync(Encode([0xC0, 1]), new SlipReader(4));
        Reading.Fails<MessageTooLargeException>(tooLarge);
    }

    [Fact]
    public void A_limit_out_of_range_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new SlipReader(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SlipWriter(2));
    }
}
