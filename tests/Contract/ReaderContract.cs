using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Contract;

/// <summary><c>Transport.Input</c>: what arrives, and what was examined and consumed of it.</summary>
public abstract class ReaderContract(Func<int, ValueTask<ConnectionPair>> connect) : TransportContract(connect)
{
    [Theory, BlockSizes]
    public Task Data_arrive_in_order(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        int total = Scaled(1_000_000, blockSize);
        var sending = SendAllAsync();
        Assert.Equal(total, await server.Transport.Input.ReceiveToEndAsync());
        await sending;

        async Task SendAllAsync()
        {
            for (int sent = 0, size = 1; sent < total; sent += size)
            {
                size = Math.Min(size % 4999 + 13, total - sent);
                await client.Transport.Output.SendAsync(sent, size);
            }

            await client.Transport.Output.CompleteAsync();
        }
    });

    [Theory, BlockSizes]
    public Task A_read_waits_for_more_after_everything_was_examined(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 10);
        var first = await input.ReadUntilAsync(10);
        input.AdvanceTo(first.Buffer.Start, first.Buffer.End);

        var next = input.ReadAsync().AsTask();
        Assert.False(next.IsCompleted);

        await client.Transport.Output.SendAsync(10, 5);
        var more = await next;
        Assert.InRange(more.Buffer.Length, 11, 15);
        Content.Verify(more.Buffer, 0);
        input.AdvanceTo(more.Buffer.Start);
        await input.ReceiveAsync(0, 15);
    });

    [Theory, BlockSizes]
    public Task A_read_returns_at_once_what_was_not_examined(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 10);
        for (int examined = 0; examined < 10; examined += 3)
        {
            var result = await input.ReadUntilAsync(10);
            input.AdvanceTo(result.Buffer.Start, result.Buffer.GetPosition(examined));
            var again = input.ReadAsync();
            Assert.True(again.IsCompletedSuccessfully);
            result = await again;
            Assert.Equal(10, result.Buffer.Length);
            Content.Verify(result.Buffer, 0);
            input.AdvanceTo(result.Buffer.Start);
        }
    });

    [Theory, BlockSizes]
    public Task What_was_not_consumed_is_kept(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 100);
        for (int consumed = 0; consumed < 100; consumed += 7)
        {
            var result = await input.ReadUntilAsync(100 - consumed);
            Assert.Equal(100 - consumed, result.Buffer.Length);
            Content.Verify(result.Buffer, consumed);
            input.AdvanceTo(result.Buffer.GetPosition(Math.Min(7, result.Buffer.Length)));
        }
    });

    [Theory, BlockSizes]
    public Task A_partly_consumed_and_fully_examined_buffer_keeps_its_rest(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 50);
        var result = await input.ReadUntilAsync(50);
        input.AdvanceTo(result.Buffer.GetPosition(20), result.Buffer.End);
        await client.Transport.Output.SendAsync(50, 1);
        result = await input.ReadUntilAsync(31);
        Assert.Equal(31, result.Buffer.Length);
        Content.Verify(result.Buffer, 20);
        input.AdvanceTo(result.Buffer.End);
    });

    [Theory, BlockSizes]
    public Task Reads_a_message_larger_than_a_buffer(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        int size = 10 * blockSize + 3;
        var input = server.Transport.Input;
        var sending = client.Transport.Output.SendAsync(0, 3 * size);
        for (int message = 0; message < 3; message++)
        {
            var result = await input.ReadUntilAsync(size);
            Content.Verify(result.Buffer, (long)message * size);
            input.AdvanceTo(result.Buffer.GetPosition(size));
        }

        await sending;
    });

    [Theory, BlockSizes]
    public Task A_buffer_holds_its_bytes_while_more_arrive(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 20);
        var held = await input.ReadUntilAsync(20);
        await client.Transport.Output.SendAsync(20, FewBlocks(blockSize));
        Content.Verify(held.Buffer, 0);
        int length = (int)held.Buffer.Length;
        input.AdvanceTo(held.Buffer.End);
        await input.ReceiveAsync(length, 20 + FewBlocks(blockSize) - length);
    });

    [Theory, BlockSizes]
    public Task TryRead_finds_nothing_then_data_then_the_end(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        Assert.False(input.TryRead(out _));

        await client.Transport.Output.SendAsync(0, 10);
        long position = 0;
        while (position < 10)
        {
            var result = await TryReadUntilTrueAsync(input);
            Content.Verify(result.Buffer, position);
            position += result.Buffer.Length;
            input.AdvanceTo(result.Buffer.End);
        }

        Assert.False(input.TryRead(out _));

        await client.Transport.Output.CompleteAsync();
        for (int i = 0; i < 3; i++)
        {
            var end = await TryReadUntilTrueAsync(input);
            Assert.True(end.IsCompleted);
            Assert.True(end.Buffer.IsEmpty);
            input.AdvanceTo(end.Buffer.End);
        }
    });

    [Theory, BlockSizes]
    public Task TryRead_returns_what_was_not_examined(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 10);
        var result = await input.ReadUntilAsync(10);
        input.AdvanceTo(result.Buffer.GetPosition(4), result.Buffer.GetPosition(5));
        Assert.True(input.TryRead(out result));
        Assert.Equal(6, result.Buffer.Length);
        Content.Verify(result.Buffer, 4);
        input.AdvanceTo(result.Buffer.End);
    });

    [Theory, BlockSizes]
    public Task ReadAtLeastAsync_gathers_what_it_was_asked_for(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        var reading = input.ReadAtLeastAsync(1000).AsTask();
        for (int sent = 0; sent < 1000; sent += 100)
            await client.Transport.Output.SendAsync(sent, 100);
        var result = await reading;
        Assert.Equal(1000, result.Buffer.Length);
        Content.Verify(result.Buffer, 0);
        input.AdvanceTo(result.Buffer.End);

        await client.Transport.Output.SendAsync(1000, 10);
        await client.Transport.Output.CompleteAsync();
        result = await input.ReadAtLeastAsync(1000);
        Assert.True(result.IsCompleted);
        Assert.Equal(10, result.Buffer.Length);
        input.AdvanceTo(result.Buffer.End);
    });

    [Theory, BlockSizes]
    public Task CopyToAsync_copies_up_to_the_end(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        int size = Scaled(300_000, blockSize);
        using var copy = new MemoryStream();
        var copying = server.Transport.Input.CopyToAsync(copy);
        await client.Transport.Output.SendAsync(0, size);
        Assert.False(copying.IsCompleted);
        await client.Transport.Output.CompleteAsync();
        await copying;
        Assert.Equal(size, copy.Length);
        Content.Verify(copy.GetBuffer().AsSpan(0, size), 0);
    });

    [Theory, BlockSizes]
    public Task AsStream_reads_up_to_the_end(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        int size = Scaled(100_000, blockSize);
        var sending = SendAsync(client, size);
        var stream = server.Transport.Input.AsStream(leaveOpen: true);
        var buffer = new byte[997];
        long position = 0;
        while (await stream.ReadAsync(buffer) is > 0 and var count)
        {
            Content.Verify(buffer.AsSpan(0, count), position);
            position += count;
        }

        Assert.Equal(size, position);
        Assert.Equal(0, await stream.ReadAsync(buffer));
        await sending;

        static async Task SendAsync(ConnectionContext client, int size)
        {
            await client.Transport.Output.SendAsync(0, size);
            await client.Transport.Output.CompleteAsync();
        }
    });

    private static async Task<ReadResult> TryReadUntilTrueAsync(PipeReader reader)
    {
        ReadResult result;
        while (!reader.TryRead(out result))
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        return result;
    }
}
