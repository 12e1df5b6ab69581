using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json.Serialization;

namespace Peregrine.Protocols.Tests.Json;

public sealed record Order(int Id, string? Text = null, Order? Next = null);

[JsonSourceGenerationOptions(WriteIndented = true, MaxDepth = 4, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Order))]
[JsonSerializable(typeof(string))]
internal sealed partial class OrderContext : JsonSerializerContext;

public sealed class JsonMessageTests
{
    private static readonly Order[] s_orders = [new(1), new(2, "two\nlines \u001E"), new(3, new string('x', 100_000)), new(4, null, new Order(5))];

    [Fact]
    public async Task Objects_pass_as_lines_as_values_and_in_any_framing()
    {
        await PassAsync(new LineWriter(), () => new LineReader());
        await PassAsync(new JsonValueWriter(), () => new JsonValueReader());
        await PassAsync(new JsonValueWriter(new() { WritesRecordSeparator = true }), () => new JsonValueReader());
        await PassAsync(new LengthFieldWriter(), () => new LengthFieldReader());
    }

    [Fact]
    public void A_line_has_no_white_space_whatever_the_options_say()
    {
        var output = new ArrayBufferWriter<byte>();
        new JsonMessageWriter<Order>(new LineWriter(), OrderContext.Default.Order).Write(new Order(1, "a"), output);
        Assert.Equal("{\"Id\":1,\"Text\":\"a\"}\n", Encoding.UTF8.GetString(output.WrittenSpan));
    }

    [Theory]
    [InlineData("x")]
    [InlineData("")]
    [InlineData("{\"Id\":1} {}")]
    [InlineData("{\"Id\":tru}")]
    [InlineData("{\"Id\":\"no number\"}")]
    [InlineData("{\"Id\":99999999999999}")]
    [InlineData("null")]
    [InlineData("{\"Next\":{\"Next\":{\"Next\":{\"Next\":{}}}}}")]
    [InlineData("{\"Text\":\"\u00FF\"}")]
    [InlineData("{\"Text\":\"\\uD800\"}")]
    [InlineData("{\"\u00FF\":1}")]
    public async Task A_line_that_is_no_such_object_is_refused_and_skipped(string line)
    {
        var bytes = Encoding.Latin1.GetBytes(line + "\n{\"Id\":7}\n");
        for (var cut = 0; cut < bytes.Length; cut++)
        {
            var reader = Reader(Segments.Of(bytes, cut), new LineReader());
            if (line != "{\"\u00FF\":1}")
            {
                var exception = await Record.ExceptionAsync(async () => await reader.ReadAsync());
                Assert.True(Assert.IsType<MessageFormatException>(exception).IsSkippable);
            }
            else
            {
                // A name that is nobody's is passed over, as any.
                Assert.Equal(0, (await reader.ReadAsync()).Message!.Id);
            }

            Assert.Equal(7, (await reader.ReadAsync()).Message!.Id);
        }
    }

    [Fact]
    public async Task Of_values_one_behind_the_other_what_is_JSON_is_skipped_and_what_is_none_is_not()
    {
        var reader = Reader(new ReadOnlySequence<byte>("{\"Id\":\"a\"}{\"Id\":7}{\"Id\":tru}{\"Id\":8}"u8.ToArray()), new JsonValueReader());
        Assert.True((await Assert.ThrowsAsync<MessageFormatException>(async () => await reader.ReadAsync())).IsSkippable);
        Assert.Equal(7, (await reader.ReadAsync()).Message!.Id);
        for (var i = 0; i < 2; i++)
        {
            Assert.False((await Assert.ThrowsAsync<MessageFormatException>(async () => await reader.ReadAsync())).IsSkippable);
        }
    }

    [Fact]
    public async Task The_end_of_the_input_ends_the_last_value_where_it_may()
    {
        Assert.Equal(
            ["{\"Id\":1}", "2"],
            await Reading.AllAsync(new ReadOnlySequence<byte>("{\"Id\":1}\n2"u8.ToArray()), new TextMessageReader(new JsonValueReader())));
        var lines = Reader(new ReadOnlySequence<byte>("{\"Id\":1}\n{\"Id\":2}"u8.ToArray()), new LineReader(new() { EndOfInputEndsLine = true }));
        Assert.Equal(1, (await lines.ReadAsync()).Message!.Id);
        Assert.Equal(2, (await lines.ReadAsync()).Message!.Id);
    }

    [Fact]
    public void What_is_too_deep_is_not_written_and_the_next_one_is()
    {
        var writer = new JsonMessageWriter<Order>(new LineWriter(), OrderContext.Default.Order);
        var output = new ArrayBufferWriter<byte>();
        Assert.Throws<MessageFormatException>(() => writer.Write(new(1, null, new(2, null, new(3, null, new(4, null, new(5))))), output));
        Assert.Throws<ArgumentNullException>(() => writer.Write(null!, output));
        Assert.Equal(0, output.WrittenCount);
        writer.Write(new Order(1), output);
        Assert.Equal("{\"Id\":1}\n", Encoding.UTF8.GetString(output.WrittenSpan));
    }

    [Fact]
    public void What_the_framing_refuses_is_refused()
    {
        var writer = new JsonMessageWriter<Order>(new LineWriter(new() { MaxMessageSizeInBytes = 20 }), OrderContext.Default.Order);
        Assert.Throws<MessageTooLargeException>(() => writer.Write(new Order(1, "longer than it may be"), new ArrayBufferWriter<byte>()));
    }

    private static MessageReader<Order> Reader(ReadOnlySequence<byte> bytes, IMessageReader<ReadOnlySequence<byte>> framing) =>
        new(PipeReader.Create(bytes), new JsonMessageReader<Order>(framing, OrderContext.Default.Order));

    private static async Task PassAsync(IMessageWriter<ReadOnlySpan<byte>> writing, Func<IMessageReader<ReadOnlySequence<byte>>> reading)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new JsonMessageWriter<Order>(writing, OrderContext.Default.Order);
        foreach (var order in s_orders)
        {
            writer.Write(order, output);
        }

        var bytes = output.WrittenMemory.ToArray();
        int[] cuts = [1, 5, 30, bytes.Length / 2, bytes.Length - 2];
        Assert.Equal(s_orders, await Reading.AllAsync(Segments.Of(bytes, cuts), new JsonMessageReader<Order>(reading(), OrderContext.Default.Order)));
        Assert.Equal(s_orders, await Reading.AllInPartsAsync(bytes, cuts, new JsonMessageReader<Order>(reading(), OrderContext.Default.Order)));
    }
}
