namespace Peregrine.Contract;

/// <summary><c>Transport.Input</c>: a read that is given up, by <c>CancelPendingRead</c> or by a token, loses nothing.</summary>
public abstract class ReaderCancellationContract(Func<int, ValueTask<ConnectionPair>> connect) : TransportContract(connect)
{
    [ThreadStatic]
    private static bool _insideCancel;

    [Theory, BlockSizes]
    public Task CancelPendingRead_ends_a_pending_read(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        var pending = input.ReadAsync().AsTask();
        Assert.False(pending.IsCompleted);
        input.CancelPendingRead();
        var result = await pending;
        Assert.True(result.IsCanceled);
        Assert.False(result.IsCompleted);
        Assert.True(result.Buffer.IsEmpty);

        await client.Transport.Output.SendAsync(0, 10);
        await input.ReceiveAsync(0, 10);
    });

    [Theory, BlockSizes]
    public Task CancelPendingRead_ahead_of_a_read_ends_that_one_only(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        input.CancelPendingRead();
        input.CancelPendingRead();
        Assert.True((await input.ReadAsync()).IsCanceled);

        var next = input.ReadAsync().AsTask();
        Assert.False(next.IsCompleted);
        await client.Transport.Output.SendAsync(0, 10);
        var result = await next;
        Assert.False(result.IsCanceled);
        input.AdvanceTo(result.Buffer.Start);
        await input.ReceiveAsync(0, 10);
    });

    [Theory, BlockSizes]
    public Task CancelPendingRead_ahead_of_TryRead_ends_that_one_only(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        input.CancelPendingRead();
        Assert.True(input.TryRead(out var result));
        Assert.True(result.IsCanceled);
        input.AdvanceTo(result.Buffer.Start);
        Assert.False(input.TryRead(out _));

        await client.Transport.Output.SendAsync(0, 10);
        await input.ReceiveAsync(0, 10);
    });

    [Theory, BlockSizes]
    public Task A_cancelled_read_need_not_be_advanced(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 10);
        var result = await input.ReadUntilAsync(10);
        input.AdvanceTo(result.Buffer.GetPosition(2), result.Buffer.GetPosition(2));
        for (int i = 0; i < 3; i++)
        {
            input.CancelPendingRead();
            Assert.True((await input.ReadAsync()).IsCanceled);
        }

        await input.ReceiveAsync(2, 8);
    });

    [Theory, BlockSizes]
    public Task A_cancelled_read_may_be_advanced(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 10);
        var result = await input.ReadUntilAsync(10);
        input.AdvanceTo(result.Buffer.Start);
        input.CancelPendingRead();
        result = await input.ReadAsync();
        Assert.True(result.IsCanceled);
        Content.Verify(result.Buffer, 0);
        int taken = (int)result.Buffer.Length / 2;
        input.AdvanceTo(result.Buffer.GetPosition(taken));
        await input.ReceiveAsync(taken, 10 - taken);
    });

    [Theory, BlockSizes]
    public Task CancelPendingRead_does_not_hide_the_end(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 10);
        await client.Transport.Output.CompleteAsync();
        input.CancelPendingRead();
        Assert.True((await input.ReadAsync()).IsCanceled);
        Assert.Equal(10, await input.ReceiveToEndAsync());
    });

    [Theory, BlockSizes]
    public Task A_token_that_is_cancelled_already_ends_the_read_and_takes_nothing(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        var cancelled = new CancellationToken(canceled: true);
        await client.Transport.Output.SendAsync(0, 10);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await input.ReadAsync(cancelled));
        var result = await input.ReadUntilAsync(10);
        input.AdvanceTo(result.Buffer.GetPosition(4));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await input.ReadAsync(cancelled));
        await input.ReceiveAsync(4, 6);
    });

    [Theory, BlockSizes]
    public Task A_token_ends_a_pending_read_and_the_next_read_works(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        using var first = new CancellationTokenSource();
        using var second = new CancellationTokenSource();
        var pending = input.ReadAsync(first.Token).AsTask();
        Assert.False(pending.IsCompleted);
        await first.CancelAsync();
        var thrown = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pending);
        Assert.Equal(first.Token, thrown.CancellationToken);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await input.ReadAsync(first.Token));

        pending = input.ReadAsync(second.Token).AsTask();
        Assert.False(pending.IsCompleted);
        await client.Transport.Output.SendAsync(0, 10);
        var result = await pending;
        Content.Verify(result.Buffer, 0);
        input.AdvanceTo(result.Buffer.Start);
        await input.ReceiveAsync(0, 10);
    });

    [Theory, BlockSizes]
    public Task One_token_serves_many_reads(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        using var source = new CancellationTokenSource();
        for (int i = 0; i < 50; i++)
        {
            var pending = input.ReadAsync(source.Token).AsTask();
            await client.Transport.Output.SendAsync(i, 1);
            var result = await pending;
            Content.Verify(result.Buffer, i);
            input.AdvanceTo(result.Buffer.End);
        }

        var last = input.ReadAsync(source.Token).AsTask();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => last);
    });

    [Theory, BlockSizes]
    public Task A_token_that_is_cancelled_after_its_read_harms_no_later_read(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        using var source = new CancellationTokenSource();
        var withToken = input.ReadAsync(source.Token).AsTask();
        await client.Transport.Output.SendAsync(0, 1);
        input.AdvanceTo((await withToken).Buffer.End);

        var next = input.ReadAsync().AsTask();
        await source.CancelAsync();
        await client.Transport.Output.SendAsync(1, 1);
        var result = await next;
        Assert.False(result.IsCanceled);
        Content.Verify(result.Buffer, 1);
        input.AdvanceTo(result.Buffer.End);
    });

    [Theory, BlockSizes]
    public Task A_token_that_races_with_data_loses_no_byte(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        const int Rounds = 300;
        var input = server.Transport.Input;
        for (int round = 0; round < Rounds; round++)
        {
            using var source = new CancellationTokenSource();
            var reading = input.ReadAsync(source.Token).AsTask();
            var cancelling = Task.Run(source.Cancel);
            await client.Transport.Output.SendAsync(round * 5, 5);
            long taken = 0;
            try
            {
                var result = await reading;
                Assert.False(result.IsCanceled);
                Content.Verify(result.Buffer, round * 5);
                taken = result.Buffer.Length;
                input.AdvanceTo(result.Buffer.End);
            }
            catch (OperationCanceledException)
            {
                // As good as data; what counts is that the next read finds them.
            }

            await cancelling;
            await input.ReceiveAsync(round * 5 + taken, 5 - (int)taken);
        }
    });

    [Theory, BlockSizes]
    public Task CancelPendingRead_that_races_with_data_loses_no_byte(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        const int Rounds = 300;
        var input = server.Transport.Input;
        int cancelled = 0;
        for (int round = 0; round < Rounds; round++)
        {
            var cancelling = Task.Run(input.CancelPendingRead);
            await client.Transport.Output.SendAsync(round * 5, 5);
            for (long taken = 0; taken < 5;)
            {
                var result = await input.ReadAsync();
                Content.Verify(result.Buffer, round * 5 + taken);
                taken += result.Buffer.Length;
                cancelled += result.IsCanceled ? 1 : 0;
                input.AdvanceTo(result.Buffer.End);
            }

            await cancelling;
        }

        Assert.InRange(cancelled, 0, Rounds);
    });

    [Theory, BlockSizes]
    public Task A_cancelled_read_does_not_continue_inside_the_call_that_cancels(int blockSize) => RunAsync(blockSize, async (server, _) =>
    {
        var input = server.Transport.Input;
        for (int i = 0; i < 20; i++)
        {
            var inside = ReadAndSeeWhereAsync(CancellationToken.None);
            CancelAndMark(input.CancelPendingRead);
            Assert.False(await inside);

            using var source = new CancellationTokenSource();
            inside = ReadAndSeeWhereAsync(source.Token);
            CancelAndMark(source.Cancel);
            Assert.False(await inside);
        }

        async Task<bool> ReadAndSeeWhereAsync(CancellationToken token)
        {
            try
            {
                await input.ReadAsync(token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                // Expected of the token; the question is on which stack.
            }

            return _insideCancel;
        }
    });

    private static void CancelAndMark(Action cancel)
    {
        _insideCancel = true;
        cancel();
        _insideCancel = false;
    }
}
