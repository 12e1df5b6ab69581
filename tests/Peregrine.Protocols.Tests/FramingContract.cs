using System.Buffers;
using System.IO.Pipelines;
using FsCheck;
using FsCheck.Fluent;

namespace Peregrine.Protocols.Tests;

/// <summary>What every framing keeps: however its bytes are cut, the messages are the same, and an end in the middle of one is an error.</summary>
public abstract class FramingContract
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    /// <summary>Bytes that mean something to some framing, and any other.</summary>
    private static readonly Gen<byte> s_bytes = Gen.OneOf(
        Gen.Elements<byte>(0x00, 0x01, 0x0A, 0x0D, (byte)'"', (byte)',', (byte)':', (byte)'0', (byte)'\\', 0x7D, 0x7E, 0x7F, 0x80, 0xC0, 0xDB, 0xDC, 0xDD, 0xFE, 0xFF),
        Gen.Choose(0, 255).Select(value => (byte)value));

    private static readonly Gen<byte[][]> s_messages = s_bytes.ArrayOf().ArrayOf();

    /// <summary>A new one, as for a connection of its own.</summary>
    protected abstract IMessageReader<ReadOnlySequence<byte>> CreateReader();

    protected abstract IMessageWriter<ReadOnlySequence<byte>> CreateWriter();

    /// <summary>Messages as a user writes them, and as the reader hands them out.</summary>
    protected abstract IReadOnlyList<(byte[] Written, byte[] Read)> Messages { get; }

    /// <summary>What the reader hands out for a message of any bytes, or null if the writer refuses it as one that the format cannot say.</summary>
    protected abstract byte[]? ReadOf(byte[] written);

    /// <summary>With fewer of its bytes, an encoded message is truncated. Fewer than all where its end may be left out, or the end of the input is one.</summary>
    protected virtual int LengthThatIsWhole(byte[] encoded) => encoded.Length;

    /// <summary>How many bytes a writer has in front of a message that are none of it: an end behind them is no error.</summary>
    protected virtual int BytesInFront => 0;

    [Fact]
    public void Any_messages_pass_cut_anywhere_or_are_refused_by_the_writer()
    {
        var cuts = Gen.Choose(0, int.MaxValue).ArrayOf();
        Prop.ForAll(s_messages.Zip(cuts).ToArbitrary(), async tried =>
        {
            var (messages, places) = tried;
            var passes = messages.Where(message => ReadOf(message) is not null).ToList();
            foreach (var message in messages.Except(passes))
            {
                Assert.Throws<MessageFormatException>(() => Encode(message));
            }

            byte[] bytes = [.. passes.SelectMany(Encode)];
            await ShowAsync(bytes, passes.Select(message => ReadOf(message)!), [.. places.Select(place => place % (bytes.Length + 1)).Order()]);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500).WithReplay(20_261, 77));
    }

    [Fact]
    public async Task Every_cut_in_two_gives_the_same_messages()
    {
        var bytes = EncodeAll();
        for (var cut = 0; cut <= bytes.Length; cut++)
        {
            await ShowAllAsync(bytes, cut);
        }
    }

    [Fact]
    public async Task Every_cut_in_three_gives_the_same_messages()
    {
        var bytes = EncodeAll();
        for (var first = 0; first <= bytes.Length; first++)
        {
            for (var second = first; second <= bytes.Length; second++)
            {
                await ShowAllAsync(bytes, first, second);
            }
        }
    }

    [Fact]
    public async Task Byte_by_byte_gives_the_same_messages()
    {
        var bytes = EncodeAll();
        await ShowAllAsync(bytes, [.. Enumerable.Range(1, bytes.Length - 1)]);
    }

    [Fact]
    public async Task Every_segmentation_of_one_read_gives_the_same_messages()
    {
        var bytes = EncodeAll();
        for (var first = 0; first <= bytes.Length; first++)
        {
            for (var second = first; second <= bytes.Length; second++)
            {
                var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(Segments.Of(bytes, first, second)), CreateReader());
                Assert.True(await reader.WaitToReadAsync());
                foreach (var (_, expected) in Messages)
                {
                    Assert.True(reader.TryRead(out var message));
                    Assert.Equal(expected, message.ToArray());
                }

                Assert.False(reader.TryRead(out _));
            }
        }
    }

    [Fact]
    public async Task An_end_in_the_middle_of_a_message_is_an_error_of_its_own()
    {
        foreach (var (written, _) in Messages)
        {
            var bytes = Encode(written);
            for (var length = 1 + BytesInFront; length < LengthThatIsWhole(bytes); length++)
            {
                var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(new ReadOnlySequence<byte>(bytes, 0, length)), CreateReader());
                await Assert.ThrowsAsync<MessageTruncatedException>(async () => await reader.ReadAsync());
            }
        }
    }

    [Fact]
    public async Task No_bytes_are_no_message()
    {
        var reader = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(ReadOnlySequence<byte>.Empty), CreateReader());
        Assert.True((await reader.ReadAsync()).IsCompleted);
    }

    protected byte[] Encode(byte[] message)
    {
        var bytes = new ArrayBufferWriter<byte>();
        CreateWriter().Write(new ReadOnlySequence<byte>(message), bytes);
        var inSegments = new ArrayBufferWriter<byte>();
        CreateWriter().Write(Segments.Of(message, message.Length / 3, message.Length / 2), inSegments);
        Assert.Equal(bytes.WrittenSpan, inSegments.WrittenSpan);
        return bytes.WrittenSpan.ToArray();
    }

    private byte[] EncodeAll() => [.. Messages.SelectMany(message => Encode(message.Written))];

    private Task ShowAllAsync(byte[] bytes, params int[] cuts) => ShowAsync(bytes, Messages.Select(message => message.Read), cuts);

    /// <summary>The parts come one after the other, each after the reader has said that it needs more.</summary>
    private async Task ShowAsync(byte[] bytes, IEnumerable<byte[]> expected, int[] cuts)
    {
        var pipe = new Pipe(new PipeOptions(useSynchronizationContext: false, readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline));
        var received = new List<byte[]>();
        var reading = ReadAllAsync(new MessageReader<ReadOnlySequence<byte>>(pipe.Reader, CreateReader()), received);
        var start = 0;
        foreach (var end in (int[])[.. cuts, bytes.Length])
        {
            await pipe.Writer.WriteAsync(bytes.AsMemory(start..end));
            start = end;
        }

        await pipe.Writer.CompleteAsync();
        await reading.WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal(expected, received);
    }

    private static async Task ReadAllAsync(MessageReader<ReadOnlySequence<byte>> reader, List<byte[]> received)
    {
        await foreach (var message in reader.ReadAllAsync())
        {
            received.Add(message.ToArray());
        }
    }
}
