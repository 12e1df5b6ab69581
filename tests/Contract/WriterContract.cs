using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Contract;

/// <summary><c>Transport.Output</c>: memory, flushes and completion.</summary>
public abstract class WriterContract(Func<int, ValueTask<ConnectionPair>> connect) : TransportContract(connect)
{
    [Theory, BlockSizes]
    public Task Memory_is_as_large_as_was_asked(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var output = server.Transport.Output;
        int position = 0;
        foreach (int hint in new[] { 0, 1, blockSize, blockSize + 1, 3 * blockSize + 1, 0, 10_000 })
        {
            var memory = output.GetMemory(hint);
            Assert.True(memory.Length >= Math.Max(1, hint), $"{memory.Length} bytes for the hint {hint}");
            int step = Math.Min(memory.Length, Math.Max(1, hint));
            Content.Fill(memory.Span[..step], position);
            output.Advance(step);
            position += step;

            var span = output.GetSpan(hint);
            Assert.True(span.Length >= Math.Max(1, hint), $"{span.Length} bytes for the hint {hint}");
            Content.Fill(span[..1], position);
            output.Advance(1);
            position++;
        }

        var flushing = output.FlushAsync();
        await client.Transport.Input.ReceiveAsync(0, position);
        Assert.False((await flushing).IsCompleted);
    });

    [Theory, BlockSizes]
    public Task A_megabyte_of_memory_can_be_had_and_left_unused_in_part(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var output = server.Transport.Output;
        output.Buffer(0, 5);
        var memory = output.GetMemory(1 << 20);
        Assert.True(memory.Length >= 1 << 20);
        Content.Fill(memory.Span[..100], 5);
        output.Advance(100);
        Assert.True(output.GetSpan(1 << 20).Length >= 1 << 20);
        output.Advance(0);
        output.Buffer(105, 20);
        await output.FlushAsync();
        await client.Transport.Input.ReceiveAsync(0, 125);
    });

    [Theory, BlockSizes]
    public Task Memory_of_a_negative_size_is_refused(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => server.Transport.Output.GetMemory(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => server.Transport.Output.GetSpan(-1));
        await server.Transport.Output.SendAsync(0, 10);
        await client.Transport.Input.ReceiveAsync(0, 10);
    });

    [Theory, BlockSizes]
    public Task Advance_by_more_than_there_is_or_by_less_than_nothing_is_refused(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var output = server.Transport.Output;
        output.Buffer(0, 3);
        int length = output.GetMemory().Length;
        Assert.Throws<ArgumentOutOfRangeException>(() => output.Advance(length + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => output.Advance(-1));
        Assert.Equal(3, output.UnflushedBytes);
        output.Buffer(3, 7);
        await output.FlushAsync();
        await client.Transport.Input.ReceiveAsync(0, 10);
    });

    [Theory, BlockSizes]
    public Task What_is_not_flushed_is_counted_and_not_sent(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var output = server.Transport.Output;
        Assert.True(output.CanGetUnflushedBytes);
        Assert.Equal(0, output.UnflushedBytes);
        var reading = client.Transport.Input.ReadAsync().AsTask();
        output.Buffer(0, 11);
        Assert.Equal(11, output.UnflushedBytes);

        // A trip in the other direction, so that a byte that was sent too early has had its chance to arrive.
        await client.Transport.Output.SendAsync(0, 10);
        await server.Transport.Input.ReceiveAsync(0, 10);
        Assert.False(reading.IsCompleted);

        await output.FlushAsync();
        Assert.Equal(0, output.UnflushedBytes);
        var result = await reading;
        client.Transport.Input.AdvanceTo(result.Buffer.Start);
        await client.Transport.Input.ReceiveAsync(0, 11);
    });

    [Theory, BlockSizes]
    public Task Complete_sends_what_was_not_flushed(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        await server.Transport.Output.SendAsync(0, 20);
        server.Transport.Output.Buffer(20, 1000);
        await server.Transport.Output.CompleteAsync();
        Assert.Equal(1020, await client.Transport.Input.ReceiveToEndAsync());
    });

    [Theory, BlockSizes]
    public Task Complete_with_an_exception_discards_what_was_not_flushed(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var (server, client) = (pair.Server, pair.Client);
        await server.Transport.Output.SendAsync(0, 20);
        server.Transport.Output.Buffer(20, 1000);
        await server.Transport.Output.CompleteAsync(new FormatException("half a message"));
        if (pair.TellsOfCuts)
        {
            await client.Transport.Input.ReceiveAsync(0, 20);
            await Assert.ThrowsAsync<ConnectionResetException>(async () => await client.Transport.Input.ReadAsync());
            return;
        }

        Assert.Equal(20, await client.Transport.Input.ReceiveToEndAsync());
        var again = await client.Transport.Input.ReadAsync();
        Assert.True(again.IsCompleted);
        Assert.True(again.Buffer.IsEmpty);
        client.Transport.Input.AdvanceTo(again.Buffer.End);
    });

    [Theory, BlockSizes]
    public Task Complete_with_nothing_written_ends_the_stream(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        await server.Transport.Output.CompleteAsync();
        Assert.Equal(0, await client.Transport.Input.ReceiveToEndAsync());
    });

    [Theory, BlockSizes]
    public Task Use_after_Complete(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var output = server.Transport.Output;
        await output.SendAsync(0, 10);
        await output.CompleteAsync();
        Assert.Throws<InvalidOperationException>(() => output.GetMemory());
        Assert.Throws<InvalidOperationException>(() => output.GetSpan());
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await output.WriteAsync(new byte[1]));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await output.WriteAsync(ReadOnlyMemory<byte>.Empty));
        // Harmless, as with System.IO.Pipelines.Pipe: there is nothing left to flush or to end.
        Assert.False((await output.FlushAsync()).IsCanceled);
        await output.CompleteAsync();
        await output.CompleteAsync(new FormatException());
        output.CancelPendingFlush();
        Assert.Equal(10, await client.Transport.Input.ReceiveToEndAsync());
    });

    [Theory, BlockSizes]
    public Task A_flush_of_nothing_succeeds(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        for (int i = 0; i < 3; i++)
        {
            var result = await server.Transport.Output.FlushAsync();
            Assert.False(result.IsCanceled || result.IsCompleted);
            result = await server.Transport.Output.WriteAsync(ReadOnlyMemory<byte>.Empty);
            Assert.False(result.IsCanceled || result.IsCompleted);
        }

        await server.Transport.Output.SendAsync(0, 1);
        await client.Transport.Input.ReceiveAsync(0, 1);
    });

    [Theory, BlockSizes]
    public Task WriteAsync_sends_after_what_was_buffered(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var receiving = client.Transport.Input.ReceiveToEndAsync();
        int position = 0;
        for (int i = 0; i < 50; i++)
        {
            server.Transport.Output.Buffer(position, i);
            position += i;
            int size = (i * 37) % 300;
            await server.Transport.Output.SendAsync(position, size);
            position += size;
        }

        await server.Transport.Output.CompleteAsync();
        Assert.Equal(position, await receiving);
    });

    [Theory, BlockSizes]
    public Task WriteAsync_of_megabytes(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        int size = Scaled(5 << 20, blockSize);
        var receiving = client.Transport.Input.ReceiveToEndAsync();
        await server.Transport.Output.SendAsync(0, size);
        server.Transport.Output.Buffer(size, 10);
        await server.Transport.Output.SendAsync(size + 10, size);
        await server.Transport.Output.CompleteAsync();
        Assert.Equal(2 * size + 10, await receiving);
    });

    [Theory, BlockSizes]
    public Task The_source_of_a_finished_WriteAsync_may_be_used_again(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var source = new byte[3000];
        var receiving = client.Transport.Input.ReceiveAsync(0, 10 * source.Length);
        for (int i = 0; i < 10; i++)
        {
            Content.Fill(source, i * source.Length);
            await server.Transport.Output.WriteAsync(source);
            source.AsSpan().Clear();
        }

        await receiving;
    });

    [Theory, BlockSizes]
    public Task The_extension_Write_sends_any_sequence(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var receiving = client.Transport.Input.ReceiveAsync(0, 5000);
        server.Transport.Output.Write(Content.Create(0, 5000));
        await server.Transport.Output.FlushAsync();
        await receiving;
    });

    [Theory, BlockSizes]
    public Task AsStream_writes_and_ends(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var receiving = client.Transport.Input.ReceiveToEndAsync();
        await using (var stream = server.Transport.Output.AsStream())
        {
            for (int i = 0; i < 20; i++)
                await stream.WriteAsync(Content.Create(i * 777, 777));
            await stream.FlushAsync();
        }

        Assert.Equal(20 * 777, await receiving);
    });
}
