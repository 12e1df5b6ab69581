using System.IO.Pipelines;

namespace Peregrine.Contract;

/// <summary><c>Transport.Output</c>: a peer that does not read holds the flush up, and a flush that is given up loses nothing.</summary>
public abstract class BackpressureContract(Func<int, ValueTask<ConnectionPair>> connect) : TransportContract(connect)
{
    private const int ChunkSize = 64 * 1024;
    private const long MostThatATransportMayHold = 64 << 20;

    [Theory, BlockSizes]
    public Task A_flush_waits_for_a_peer_that_does_not_read(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var full = await FillAsync(pair, CancellationToken.None);
        Assert.False(full.Flush.IsCompleted);
        var receiving = pair.Client.Transport.Input.ReceiveToEndAsync();
        var result = await full.Flush;
        Assert.False(result.IsCanceled || result.IsCompleted);
        await pair.Server.Transport.Output.SendAsync(full.Written, 1000);
        await pair.Server.Transport.Output.CompleteAsync();
        Assert.Equal(full.Written + 1000, await receiving);
    });

    [Theory, BlockSizes]
    public Task A_flush_beside_a_pending_one_is_refused(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var full = await FillAsync(pair, CancellationToken.None);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pair.Server.Transport.Output.FlushAsync());
        var receiving = pair.Client.Transport.Input.ReceiveToEndAsync();
        await full.Flush;
        await pair.Server.Transport.Output.CompleteAsync();
        Assert.Equal(full.Written, await receiving);
    });

    [Theory, BlockSizes]
    public Task CancelPendingFlush_ends_a_pending_WriteAsync_and_no_byte_is_lost(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var full = await FillAsync(pair, CancellationToken.None);
        pair.Server.Transport.Output.CancelPendingFlush();
        var result = await full.Flush;
        Assert.True(result.IsCanceled);
        Assert.False(result.IsCompleted);
        await GoOnAsync(pair, full);
    });

    [Theory, BlockSizes]
    public Task CancelPendingFlush_ends_a_pending_flush_and_no_byte_is_lost(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var full = await FillAsync(pair, CancellationToken.None, buffered: true);
        pair.Server.Transport.Output.CancelPendingFlush();
        Assert.True((await full.Flush).IsCanceled);
        await GoOnAsync(pair, full);
    });

    [Theory, BlockSizes]
    public Task A_token_ends_a_pending_WriteAsync_and_no_byte_is_lost(int blockSize) => RunAsync(blockSize, async pair =>
    {
        using var source = new CancellationTokenSource();
        var full = await FillAsync(pair, source.Token);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => full.Flush);
        await GoOnAsync(pair, full);
    });

    [Theory, BlockSizes]
    public Task A_token_ends_a_pending_flush_and_no_byte_is_lost(int blockSize) => RunAsync(blockSize, async pair =>
    {
        using var source = new CancellationTokenSource();
        var full = await FillAsync(pair, source.Token, buffered: true);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => full.Flush);
        await GoOnAsync(pair, full);
    });

    [Theory, BlockSizes]
    public Task A_flush_can_be_given_up_again_and_again(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var output = pair.Server.Transport.Output;
        var full = await FillAsync(pair, CancellationToken.None);
        output.CancelPendingFlush();
        Assert.True((await full.Flush).IsCanceled);
        long written = full.Written;
        for (int i = 0; i < 10; i++)
        {
            output.Buffer(written, 100);
            written += 100;
            var flush = output.FlushAsync().AsTask();
            output.CancelPendingFlush();
            await flush;
        }

        var receiving = pair.Client.Transport.Input.ReceiveToEndAsync();
        await output.CompleteAsync();
        Assert.Equal(written, await receiving);
    });

    [Theory, BlockSizes]
    public Task CancelPendingFlush_ahead_of_a_flush_ends_that_one_only(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var output = server.Transport.Output;
        output.CancelPendingFlush();
        output.CancelPendingFlush();
        output.Buffer(0, 10);
        Assert.True((await output.FlushAsync()).IsCanceled);
        Assert.False((await output.FlushAsync()).IsCanceled);
        await output.SendAsync(10, 10);
        await client.Transport.Input.ReceiveAsync(0, 20);
    });

    [Theory, BlockSizes]
    public Task A_token_that_is_cancelled_already_ends_the_flush_and_keeps_what_was_buffered(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var output = server.Transport.Output;
        var cancelled = new CancellationToken(canceled: true);
        output.Buffer(0, 10);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await output.FlushAsync(cancelled));
        output.Buffer(10, 10);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await output.FlushAsync(cancelled));
        // A write whose token is cancelled before the call takes nothing of its source.
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await output.WriteAsync(new byte[100], cancelled));
        await output.SendAsync(20, 10);
        await output.CompleteAsync();
        Assert.Equal(30, await client.Transport.Input.ReceiveToEndAsync());
    });

    [Theory, BlockSizes]
    public Task A_writer_whose_peer_aborted_learns_it_and_holds_no_memory(int blockSize) => RunAsync(blockSize, async pair =>
    {
        pair.Client.Abort();
        await WriteUntilEndedAsync(pair);
    });

    [Theory, BlockSizes]
    public Task A_writer_whose_peer_is_disposed_learns_it_and_holds_no_memory(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var disposing = pair.Client.DisposeAsync();
        await WriteUntilEndedAsync(pair);
        await disposing;
    });

    private static async Task WriteUntilEndedAsync(ConnectionPair pair)
    {
        var output = pair.Server.Transport.Output;
        for (long written = 0; !(await output.WriteAsync(new byte[1000])).IsCompleted; written += 1000)
            Assert.True(written < MostThatATransportMayHold, "The writer never learned that its peer is gone.");

        int rented = pair.RentedBlocks;
        for (int i = 0; i < 200; i++)
        {
            output.Buffer(0, 100);
            var result = await output.FlushAsync();
            Assert.True(result.IsCompleted);
            Assert.False(result.IsCanceled);
        }

        Assert.InRange(pair.RentedBlocks, 0, rented + 100 / pair.BlockSizeInBytes + 1);
    }

    /// <summary>After a flush was given up: its source is used for something else, the peer reads, more is written, and every byte is right.</summary>
    private static async Task GoOnAsync(ConnectionPair pair, Full full)
    {
        full.Source.AsSpan().Clear();
        var output = pair.Server.Transport.Output;
        output.Buffer(full.Written, 100);
        var receiving = pair.Client.Transport.Input.ReceiveToEndAsync();
        await output.SendAsync(full.Written + 100, 50_000);
        await output.CompleteAsync();
        Assert.Equal(full.Written + 50_100, await receiving);
    }

    /// <summary>Writes from the server until a flush stays pending.</summary>
    private static async Task<Full> FillAsync(ConnectionPair pair, CancellationToken token, bool buffered = false)
    {
        var output = pair.Server.Transport.Output;
        // Small blocks and the writer's own memory together make very many blocks; they are filled less at a time.
        int size = buffered && pair.BlockSizeInBytes < 64 ? 4096 : ChunkSize;
        for (long written = 0; written < MostThatATransportMayHold;)
        {
            var source = Content.Create(written, size);
            if (buffered)
                output.Buffer(written, size);
            written += size;
            var flush = buffered ? output.FlushAsync(token) : output.WriteAsync(source, token);
            await pair.SettleAsync(() => flush.IsCompleted);
            if (!flush.IsCompleted)
                return new Full(flush.AsTask(), written, source);
            Assert.False((await flush).IsCompleted);
        }

        Assert.Fail("Nobody read, and no flush ever waited.");
        return null;
    }

    private sealed record Full(Task<FlushResult> Flush, long Written, byte[] Source);
}
