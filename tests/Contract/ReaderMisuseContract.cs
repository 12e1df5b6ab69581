using System.IO.Pipelines;

namespace Peregrine.Contract;

/// <summary><c>Transport.Input</c>: calls that a caller must not make fail, and harm nothing.</summary>
public abstract class ReaderMisuseContract(Func<int, ValueTask<ConnectionPair>> connect) : TransportContract(connect)
{
    [Theory, BlockSizes]
    public Task Advancing_with_more_consumed_than_examined_throws(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 10);
        var buffer = (await input.ReadUntilAsync(10)).Buffer;
        Assert.Throws<InvalidOperationException>(() => input.AdvanceTo(buffer.GetPosition(6), buffer.GetPosition(5)));
        input.AdvanceTo(buffer.GetPosition(5), buffer.GetPosition(6));
        await input.ReceiveAsync(5, 5);
    });

    [Theory, BlockSizes]
    public Task Advancing_twice_throws(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 10);
        var buffer = (await input.ReadUntilAsync(10)).Buffer;
        var third = buffer.GetPosition(3);
        input.AdvanceTo(buffer.GetPosition(2));
        Assert.Throws<InvalidOperationException>(() => input.AdvanceTo(third));
        await input.ReceiveAsync(2, 8);
    });

    [Theory, BlockSizes]
    public Task Advancing_without_a_read_throws(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        Assert.Throws<InvalidOperationException>(() => input.AdvanceTo(default));
        await client.Transport.Output.SendAsync(0, 10);
        await input.ReceiveAsync(0, 10);
    });

    [Theory, BlockSizes]
    public Task A_second_read_beside_a_pending_one_throws(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        var pending = input.ReadAsync().AsTask();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await input.ReadAsync());
        Assert.Throws<InvalidOperationException>(() => input.TryRead(out _));

        await client.Transport.Output.SendAsync(0, 10);
        var result = await pending;
        Assert.InRange(result.Buffer.Length, 1, 10);
        input.AdvanceTo(result.Buffer.Start);
        await input.ReceiveAsync(0, 10);
    });

    [Theory, BlockSizes]
    public Task A_read_before_the_last_one_was_advanced_throws(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 10);
        var result = await input.ReadUntilAsync(10);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await input.ReadAsync());
        Assert.Throws<InvalidOperationException>(() => input.TryRead(out _));
        Content.Verify(result.Buffer, 0);
        input.AdvanceTo(result.Buffer.GetPosition(4));
        await input.ReceiveAsync(4, 6);
    });

    [Theory, BlockSizes]
    public Task Every_use_after_Complete_throws(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 10);
        var result = await input.ReadUntilAsync(10);
        input.AdvanceTo(result.Buffer.GetPosition(3));
        await input.CompleteAsync();
        await AssertUnusableAsync(input);
    });

    [Theory, BlockSizes]
    public Task Complete_with_an_exception_stays_on_this_side(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        await server.Transport.Input.CompleteAsync(new FormatException("a bad message"));
        await AssertUnusableAsync(server.Transport.Input);

        await server.Transport.Output.SendAsync(0, 100);
        await server.Transport.Output.CompleteAsync();
        Assert.Equal(100, await client.Transport.Input.ReceiveToEndAsync());
    });

    [Theory, BlockSizes]
    public Task Complete_again_does_nothing(int blockSize) => RunAsync(blockSize, async (server, _) =>
    {
        await server.Transport.Input.CompleteAsync();
        await server.Transport.Input.CompleteAsync();
        await server.Transport.Input.CompleteAsync(new FormatException());
        server.Transport.Input.CancelPendingRead();
    });

    [Theory, BlockSizes]
    public Task Complete_gives_back_what_was_read_and_not_advanced(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        await client.Transport.Output.SendAsync(0, FewBlocks(blockSize));
        await server.Transport.Input.ReadUntilAsync(FewBlocks(blockSize));
        await server.Transport.Input.CompleteAsync();
    });

    [Theory, BlockSizes]
    public Task Complete_gives_back_what_was_examined_and_not_consumed(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        await client.Transport.Output.SendAsync(0, FewBlocks(blockSize));
        var result = await server.Transport.Input.ReadUntilAsync(FewBlocks(blockSize));
        server.Transport.Input.AdvanceTo(result.Buffer.GetPosition(1), result.Buffer.End);
        await server.Transport.Input.CompleteAsync();
    });

    private static async Task AssertUnusableAsync(PipeReader input)
    {
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await input.ReadAsync());
        Assert.Throws<InvalidOperationException>(() => input.TryRead(out _));
        Assert.Throws<InvalidOperationException>(() => input.AdvanceTo(default));
    }
}
