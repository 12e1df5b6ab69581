using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;

namespace Peregrine.Contract;

/// <summary>How a connection ends, what each side sees of it, and the reason that is kept.</summary>
public abstract class EndContract(Func<int, ValueTask<ConnectionPair>> connect) : TransportContract(connect)
{
    private const long MostThatATransportMayHold = 64 << 20;

    [ThreadStatic]
    private static bool _insideAbort;

    [Theory, BlockSizes]
    public Task Abort_fails_the_pending_read_and_every_later_one(int blockSize) => RunAsync(blockSize, async (server, _) =>
    {
        var reading = server.Transport.Input.ReadAsync().AsTask();
        server.Abort(new ConnectionAbortedException("enough"));
        Assert.Equal("enough", (await Assert.ThrowsAsync<ConnectionAbortedException>(() => reading)).Message);
        for (int i = 0; i < 3; i++)
        {
            var later = await Assert.ThrowsAsync<ConnectionAbortedException>(async () => await server.Transport.Input.ReadAsync());
            Assert.Equal("enough", later.Message);
        }
    });

    [Theory, BlockSizes]
    public Task Abort_ends_flushes_without_an_exception(int blockSize) => RunAsync(blockSize, async (server, _) =>
    {
        server.Transport.Output.Buffer(0, 100);
        server.Abort();
        for (int i = 0; i < 3; i++)
        {
            Assert.True((await server.Transport.Output.FlushAsync()).IsCompleted);
            Assert.True((await server.Transport.Output.WriteAsync(new byte[100])).IsCompleted);
        }
    });

    [Theory, BlockSizes]
    public Task Abort_ends_a_pending_flush_without_an_exception(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var flush = await FlushUntilPendingAsync(pair);
        pair.Server.Abort();
        Assert.True((await flush).IsCompleted);
    });

    [Theory, BlockSizes]
    public Task A_peers_Abort_ends_a_pending_flush_without_an_exception(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var flush = await FlushUntilPendingAsync(pair);
        pair.Client.Abort();
        Assert.True((await flush).IsCompleted);
    });

    [Theory, BlockSizes]
    public Task A_peers_Abort_ends_the_pending_read_and_every_later_one(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var input = pair.Server.Transport.Input;
        var reading = input.ReadAsync().AsTask();
        pair.Client.Abort(new ConnectionAbortedException("enough"));
        await AssertEndedAsync(() => reading);
        for (int i = 0; i < 3; i++)
            await AssertEndedAsync(() => input.ReadAsync().AsTask());

        async Task AssertEndedAsync(Func<Task<ReadResult>> read)
        {
            if (pair.HasReset)
            {
                await Assert.ThrowsAsync<ConnectionResetException>(read);
                return;
            }

            var result = await read();
            Assert.True(result.IsCompleted);
            input.AdvanceTo(result.Buffer.End);
        }
    });

    [Theory, BlockSizes]
    public Task A_peers_Abort_is_never_taken_for_an_end(int blockSize) => RunAsync(blockSize, async pair =>
    {
        int size = FewBlocks(blockSize);
        await pair.Client.Transport.Output.SendAsync(0, size);
        pair.Client.Abort();
        var receiving = pair.Server.Transport.Input.ReceiveToEndAsync();
        // How much of the data arrives before the reset is the transport's affair; without a reset, all of it does.
        if (pair.HasReset)
            await Assert.ThrowsAsync<ConnectionResetException>(() => receiving);
        else
            Assert.Equal(size, await receiving);
    });

    [Theory, BlockSizes]
    public Task What_was_read_before_an_Abort_stays_readable(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        await client.Transport.Output.SendAsync(0, FewBlocks(blockSize));
        var held = await server.Transport.Input.ReadUntilAsync(FewBlocks(blockSize));
        server.Abort();
        Content.Verify(held.Buffer, 0);
        server.Transport.Input.AdvanceTo(held.Buffer.End);
        await Assert.ThrowsAsync<ConnectionAbortedException>(async () => await server.Transport.Input.ReadAsync());
    });

    [Theory, BlockSizes]
    public Task Abort_can_be_called_from_many_threads(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var reading = server.Transport.Input.ReadAsync().AsTask();
        await client.Transport.Output.SendAsync(0, 1);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => (i % 2 == 0 ? server : client).Abort())));
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            server.Transport.Input.AdvanceTo((await reading).Buffer.Start);
            while (true)
            {
                var result = await server.Transport.Input.ReadAsync();
                server.Transport.Input.AdvanceTo(result.Buffer.End);
                Assert.False(result.IsCompleted);
            }
        });
    });

    [Theory, BlockSizes]
    public Task ConnectionClosed_fires_when_the_peers_end_is_read(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var closed = WhenClosedAsync(server);
        await client.Transport.Output.SendAsync(0, 10);
        await server.Transport.Input.ReceiveAsync(0, 10);
        Assert.False(server.ConnectionClosed.IsCancellationRequested);
        Assert.Equal(ConnectionCloseReason.None, Reason(server));

        await client.Transport.Output.CompleteAsync();
        await server.Transport.Input.ReceiveToEndAsync(10);
        await closed;
        Assert.Equal(ConnectionCloseReason.PeerClosed, Reason(server));
        Assert.Equal(ConnectionCloseReason.None, Reason(client));
        Assert.False(client.ConnectionClosed.IsCancellationRequested);
    });

    [Theory, BlockSizes]
    public Task ConnectionClosed_fires_when_the_peers_abort_is_seen(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var closed = WhenClosedAsync(pair.Server);
        pair.Client.Abort();
        var receiving = pair.Server.Transport.Input.ReceiveToEndAsync();
        if (pair.HasReset)
            await Assert.ThrowsAsync<ConnectionResetException>(() => receiving);
        else
            Assert.Equal(0, await receiving);
        await closed;
        Assert.Equal(pair.HasReset ? ConnectionCloseReason.PeerReset : ConnectionCloseReason.PeerClosed, Reason(pair.Server));
        Assert.Equal(ConnectionCloseReason.Aborted, Reason(pair.Client));
    });

    [Theory, BlockSizes]
    public Task ConnectionClosed_fires_at_the_peers_end_though_nobody_reads(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var closed = WhenClosedAsync(server);
        await client.Transport.Output.SendAsync(0, 10);
        await client.Transport.Output.CompleteAsync();
        await closed;
        Assert.Equal(ConnectionCloseReason.PeerClosed, Reason(server));

        // What was unread is still there, and the other direction too.
        Assert.Equal(10, await server.Transport.Input.ReceiveToEndAsync());
        await server.Transport.Output.SendAsync(0, 10);
        await client.Transport.Input.ReceiveAsync(0, 10);
    });

    [Theory, BlockSizes]
    public Task ConnectionClosed_fires_at_the_peers_abort_though_nobody_reads(int blockSize) => RunAsync(blockSize, async pair =>
    {
        await pair.Client.Transport.Output.SendAsync(0, 10);
        var closed = WhenClosedAsync(pair.Server);
        pair.Client.Abort();
        await closed;
        Assert.Equal(pair.HasReset ? ConnectionCloseReason.PeerReset : ConnectionCloseReason.PeerClosed, Reason(pair.Server));
    });

    [Theory, BlockSizes]
    public Task ConnectionClosed_is_fired_for_who_looks_after_the_peers_end(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        await client.Transport.Output.SendAsync(0, 10);
        await client.Transport.Output.CompleteAsync();
        await server.Transport.Input.ReceiveAsync(0, 5);
        await WhenClosedAsync(server);
    });

    [Theory, BlockSizes]
    public Task ConnectionClosed_fires_on_Abort_and_not_inside_it(int blockSize) => RunAsync(blockSize, async (server, _) =>
    {
        var inside = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = server.ConnectionClosed.UnsafeRegister(_ => inside.SetResult(_insideAbort), null);
        _insideAbort = true;
        server.Abort();
        _insideAbort = false;
        Assert.False(await inside.Task);
        Assert.Equal(ConnectionCloseReason.Aborted, Reason(server));
    });

    [Theory, BlockSizes]
    public Task ConnectionClosed_fires_on_Dispose(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var closed = Task.WhenAll(WhenClosedAsync(pair.Server), WhenClosedAsync(pair.Client));
        await pair.DisposeConnectionsAsync();
        await closed;
    });

    [Theory, BlockSizes]
    public Task The_first_reason_wins(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var other = client.Features.Get<IConnectionCloseFeature>()!;
        Assert.True(other.TrySetReason(ConnectionCloseReason.DrainDeadline));
        var feature = server.Features.Get<IConnectionCloseFeature>()!;
        Assert.ThrowsAny<ArgumentException>(() => feature.TrySetReason(ConnectionCloseReason.None));
        await client.Transport.Output.CompleteAsync();
        await server.Transport.Input.ReceiveToEndAsync();
        Assert.False(feature.TrySetReason(ConnectionCloseReason.HandlerCompleted));
        server.Abort();
        Assert.Equal(ConnectionCloseReason.PeerClosed, feature.Reason);
        client.Abort();
        Assert.Equal(ConnectionCloseReason.DrainDeadline, other.Reason);
    });

    [Theory, BlockSizes]
    public Task The_output_can_be_completed_while_reading_goes_on(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        server.Transport.Output.Buffer(0, 1000);
        var completing = server.CompleteOutputAsync();
        Assert.Equal(1000, await client.Transport.Input.ReceiveToEndAsync());
        await completing;
        await server.CompleteOutputAsync();
        await client.Transport.Output.SendAsync(0, 1000);
        await server.Transport.Input.ReceiveAsync(0, 1000);
        Assert.Equal(ConnectionCloseReason.None, Reason(server));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await server.Transport.Output.WriteAsync(new byte[1]));
        await client.CompleteOutputAsync();
        await server.Transport.Input.ReceiveToEndAsync(1000);
        Assert.Equal(ConnectionCloseReason.PeerClosed, Reason(server));
    });

    [Theory, BlockSizes]
    public Task Where_the_transport_was_replaced_its_own_output_is_completed(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var inner = server.Transport;
        var pipe = new Pipe();
        server.Transport = new Pair(inner.Input, pipe.Writer);
        await server.CompleteOutputAsync();
        Assert.True((await pipe.Reader.ReadAsync()).IsCompleted);
        await inner.Output.SendAsync(0, 10);
        await client.Transport.Input.ReceiveAsync(0, 10);
    });

    private sealed record Pair(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private static ConnectionCloseReason Reason(ConnectionContext connection) => connection.Features.Get<IConnectionCloseFeature>()!.Reason;

    private static Task WhenClosedAsync(ConnectionContext connection)
    {
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.ConnectionClosed.UnsafeRegister(_ => closed.TrySetResult(), null);
        return closed.Task;
    }

    private static async Task<Task<FlushResult>> FlushUntilPendingAsync(ConnectionPair pair)
    {
        for (long written = 0; written < MostThatATransportMayHold; written += 65_536)
        {
            var flush = pair.Server.Transport.Output.WriteAsync(new byte[65_536]);
            await pair.SettleAsync(() => flush.IsCompleted);
            if (!flush.IsCompleted)
                return flush.AsTask();
        }

        throw new InvalidOperationException("Nobody read, and no flush ever waited.");
    }
}
