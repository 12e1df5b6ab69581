using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;

namespace Peregrine.Contract;

/// <summary><see cref="IConnectionBufferFeature"/>: what is kept is told, and what is written can be bounded.</summary>
public abstract class BufferContract(Func<int, ValueTask<ConnectionPair>> connect) : TransportContract(connect)
{
    private const int Size = 1000;

    [Theory, BlockSizes]
    public Task What_is_received_and_not_consumed_is_unread(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var buffers = Of(server);
        Assert.Equal(0, buffers.UnreadBytes);
        var reading = server.Transport.Input.ReadAtLeastAsync(Size).AsTask();
        await UntilAsync(() => buffers.IsReadPending);
        await client.Transport.Output.SendAsync(0, Size);
        var read = await reading;
        Assert.Equal((Size, false), (buffers.UnreadBytes, buffers.IsReadPending));
        server.Transport.Input.AdvanceTo(read.Buffer.GetPosition(400), read.Buffer.End);
        Assert.Equal(600, buffers.UnreadBytes);
        Assert.True(buffers.UnreadMemoryInBytes >= 600);
        var waiting = server.Transport.Input.ReadAsync().AsTask();
        await UntilAsync(() => buffers.IsReadPending);
        Assert.Equal(600, buffers.UnreadBytes);
        server.Transport.Input.CancelPendingRead();
        server.Transport.Input.AdvanceTo((await waiting).Buffer.End);
        Assert.Equal((0, 0), (buffers.UnreadBytes, buffers.UnreadMemoryInBytes));
    });

    [Theory, BlockSizes]
    public Task What_nobody_receives_is_told_where_it_can_be(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var (server, client) = (pair.Server, pair.Client);
        await client.Transport.Output.SendAsync(0, 10);
        if (Of(server).UnreceivedBytes is not null)
        {
            await UntilAsync(() => pair.AddsBytes ? Of(server).UnreceivedBytes >= 10 : Of(server).UnreceivedBytes == 10);
            await server.Transport.Input.ReadAtLeastAsync(10);
            Assert.Equal(0, Of(server).UnreceivedBytes);
        }
    });

    [Theory, BlockSizes]
    public Task What_is_written_is_unsent_until_it_is_taken_and_then_unacknowledged_until_it_has_come(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var (output, buffers) = (pair.Server.Transport.Output, Of(pair.Server));
        output.Buffer(0, 100);
        Assert.Equal(100, buffers.UnsentBytes);
        await output.FlushAsync();
        Assert.Equal((0, false), (buffers.UnsentBytes, buffers.IsSendPending));

        long written = 100;
        ValueTask<FlushResult> flush;
        while (true)
        {
            output.Buffer(written, 4096);
            written += 4096;
            flush = output.FlushAsync();
            await pair.SettleAsync(() => flush.IsCompleted);
            if (!flush.IsCompleted)
            {
                break;
            }

            await flush;
        }

        Assert.True(buffers.IsSendPending);
        Assert.True(buffers.UnsentBytes > 0 || buffers.UnacknowledgedBytes > 0);
        Assert.InRange(buffers.UnsentBytes, 0, 4096);
        output.Buffer(written, 50);
        Assert.InRange(buffers.UnsentBytes, 50, 4096 + 50);
        var receiving = pair.Client.Transport.Input.ReceiveToEndAsync();
        await flush;
        await output.CompleteAsync();
        Assert.Equal(written + 50, await receiving);
        await UntilAsync(() => buffers.UnsentBytes == 0 && !buffers.IsSendPending && buffers.UnacknowledgedBytes is null or <= 1);
    });

    [Theory, BlockSizes]
    public Task A_bound_is_told_of_and_what_is_written_after_the_end_is_not_kept(int blockSize) => RunAsync(blockSize, pair =>
    {
        var limit = new WriteBound(pair.Server);
        Of(pair.Server).UnsentBytesLimit = limit;
        for (var i = 0; i < 2_000; i++)
        {
            pair.Server.Transport.Output.Buffer(i * 100L, 100);
        }

        Assert.InRange(limit.Exceeded, limit.MaxUnsentBytes + 1, limit.MaxUnsentBytes + 100 + (2 * blockSize));
        Assert.InRange(Of(pair.Server).UnsentBytes, 0, limit.MaxUnsentBytes + 100 + (2 * blockSize));
        return Task.CompletedTask;
    });

    [Theory, BlockSizes]
    public Task A_bound_is_told_of_also_by_large_writes_whose_flushes_are_given_up(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var limit = new WriteBound(pair.Server);
        Of(pair.Server).UnsentBytesLimit = limit;
        var output = pair.Server.Transport.Output;
        var large = new byte[100_000];

        // Nobody reads, and what the transport takes has an end.
        for (var i = 0; i < 1_000 && limit.Exceeded == 0; i++)
        {
            var writing = output.WriteAsync(large);
            if (!writing.IsCompleted)
            {
                output.CancelPendingFlush();
            }

            await writing;
        }

        Assert.True(limit.Exceeded > limit.MaxUnsentBytes);
    });

    private static IConnectionBufferFeature Of(ConnectionContext connection) => connection.Features.Get<IConnectionBufferFeature>()!;

    private static async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }
    }

    private sealed class WriteBound(ConnectionContext connection) : IUnsentBytesLimit
    {
        public long MaxUnsentBytes => 20_000;

        public long Exceeded { get; private set; }

        public void OnExceeded(long unsentBytes)
        {
            Exceeded = Exceeded == 0 ? unsentBytes : Exceeded;
            connection.Abort(new ConnectionAbortedException("Too much is unsent."));
        }
    }
}
