using System.Buffers;

namespace Peregrine.Protocols.Tests.Marks;

/// <summary>What framings keep that have a mark behind a frame.</summary>
public abstract class MarkContract : FramingContract
{
    private const int Most = 100;

    /// <summary>A byte that is not escaped, and neither is the check sequence of as many of them as the limit allows.</summary>
    private const byte Plain = (byte)'C';

    protected abstract byte Mark { get; }

    /// <summary>What a frame has besides its bytes, where none of them is escaped, and besides its marks.</summary>
    protected virtual int Overhead => 0;

    /// <summary>A message that is not a view.</summary>
    protected abstract byte[] Decoded { get; }

    protected abstract IMessageReader<ReadOnlySequence<byte>> CreateReader(int most);

    protected abstract IMessageWriter<ReadOnlySequence<byte>> CreateWriter(int most);

    protected override IMessageReader<ReadOnlySequence<byte>> CreateReader() => CreateReader(1 << 20);

    protected override IMessageWriter<ReadOnlySequence<byte>> CreateWriter() => CreateWriter(1 << 20);

    [Fact]
    public async Task Any_number_of_marks_between_frames_is_no_message_and_no_part_of_the_size_of_one()
    {
        byte[] marks = [.. Enumerable.Repeat(Mark, 10 * Most)];
        var largest = Largest();
        var reader = await Reading.OverAsync([.. marks, .. Encode(largest), .. marks, .. Encode([1]), .. marks], CreateReader(Most));
        Assert.Equal(largest, Reading.Take(reader));
        Assert.Equal([1], Reading.Take(reader));
        Assert.False(reader.TryRead(out _));
        Assert.False(await reader.WaitToReadAsync());
    }

    [Fact]
    public async Task The_largest_message_passes_in_both_directions_and_one_byte_more_in_none()
    {
        var largest = Largest();
        byte[] tooLarge = [.. largest, Plain];
        var reader = await Reading.OverAsync([.. Reading.Written(largest, CreateWriter(Most)), .. Encode(tooLarge), .. Encode([1])], CreateReader(Most));
        Assert.Equal(largest, Reading.Take(reader));
        Assert.True(Reading.Fails<MessageTooLargeException>(reader).IsSkippable);
        Assert.Equal([1], Reading.Take(reader));
        Assert.Throws<MessageTooLargeException>(() => Reading.Written(tooLarge, CreateWriter(Most)));
        Assert.Throws<MessageTooLargeException>(() => Reading.Written(new byte[1000], CreateWriter(Most)));
    }

    [Fact]
    public async Task A_frame_without_an_end_is_refused_when_so_many_bytes_are_there()
    {
        // The mark in front is taken before, and makes no difference.
        var reader = await Reading.OverAsync([Mark, .. Enumerable.Repeat((byte)1, Most - 2)], CreateReader(Most));
        Assert.False(reader.TryRead(out _));
        var longer = await Reading.OverAsync([Mark, .. Enumerable.Repeat((byte)1, Most - 1)], CreateReader(Most));
        Assert.False(Reading.Fails<MessageTooLargeException>(longer).IsSkippable);
        Assert.False(Reading.Fails<MessageTooLargeException>(longer).IsSkippable);
    }

    [Fact]
    public void What_was_looked_at_is_not_looked_at_again()
    {
        var input = new ReadOnlySequence<byte>([1, 2, 3, Mark]);
        var (consumed, examined) = (input.Start, input.Start);
        var withoutEnd = input.Slice(0, 3);
        Assert.False(CreateReader().TryParse(withoutEnd, ref consumed, ref examined, out _));
        Assert.Equal(withoutEnd.End, examined);

        // A mark that it has overlooked, as it were.
        examined = input.End;
        Assert.False(CreateReader().TryParse(input, ref consumed, ref examined, out _));
        Assert.Equal(input.Start, consumed);
    }

    [Fact]
    public async Task All_messages_of_one_read_are_valid_until_the_next()
    {
        byte[][] messages = [.. Enumerable.Range(1, 100).Select(count => (byte[])[(byte)count, .. Enumerable.Repeat(Decoded, count).SelectMany(part => part)])];
        var reader = await Reading.OverAsync([.. messages.SelectMany(Encode)], CreateReader());
        var views = new List<ReadOnlySequence<byte>>();
        while (reader.TryRead(out var message))
        {
            views.Add(message);
        }

        Assert.Equal(messages, views.Select(view => view.ToArray()));
    }

    [Fact]
    public void A_decoded_message_allocates_nothing_and_its_memory_goes_back_before_the_next_read()
    {
        var input = new ReadOnlySequence<byte>(Encode([.. Enumerable.Repeat(Decoded, 300).SelectMany(part => part)]));
        var format = CreateReader();
        var found = 0;
        var allocated = Allocations.LeastOf(() =>
        {
            for (var read = 0; read < 20; read++)
            {
                for (var message = 0; message < 20; message++)
                {
                    var (consumed, examined) = (input.Start, input.Start);
                    found += format.TryParse(input, ref consumed, ref examined, out _) ? 1 : 0;
                }

                format.ReturnBuffers();
            }
        });
        Assert.Equal(0, found % 400);
        Assert.Equal(0, allocated);
    }

    private byte[] Largest() => [.. Enumerable.Repeat(Plain, Most - 2 - Overhead)];
}
