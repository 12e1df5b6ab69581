using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Peregrine.Features;

namespace Peregrine.Contract;

/// <summary>A connection as a whole: its features, both directions at once, half-close and dispose.</summary>
public abstract class ConnectionContract(Func<int, ValueTask<ConnectionPair>> connect) : TransportContract(connect)
{
    [Theory, BlockSizes]
    public Task The_features_are_there(int blockSize) => RunAsync(blockSize, pair =>
    {
        foreach (var connection in new[] { pair.Server, pair.Client })
        {
            Assert.Equal(connection.ConnectionId, connection.Features.Get<IConnectionIdFeature>()!.ConnectionId);
            Assert.Same(connection.Items, connection.Features.Get<IConnectionItemsFeature>()!.Items);
            Assert.Same(connection.Transport, connection.Features.Get<IConnectionTransportFeature>()!.Transport);
            Assert.Equal(connection.RemoteEndPoint, connection.Features.Get<IConnectionEndPointFeature>()!.RemoteEndPoint);
            Assert.Equal(connection.LocalEndPoint, connection.Features.Get<IConnectionEndPointFeature>()!.LocalEndPoint);
            Assert.Equal(connection.ConnectionClosed, connection.Features.Get<IConnectionLifetimeFeature>()!.ConnectionClosed);
            Assert.Contains(connection.Features.Get<IMemoryPoolFeature>()!.MemoryPool, pair.Pools);
            Assert.NotNull(connection.Features.Get<IConnectionCloseFeature>());
            Assert.NotNull(connection.Features.Get<IConnectionByteCountFeature>());
            // The server brings it: a transport cannot know that a stop was asked for.
            Assert.Null(connection.Features.Get<IConnectionLifetimeNotificationFeature>());
            connection.Items["key"] = "value";
            Assert.Equal("value", connection.Items["key"]);
        }

        Assert.NotEqual(pair.Server.ConnectionId, pair.Client.ConnectionId);
        return Task.CompletedTask;
    });

    [Theory, BlockSizes]
    public Task Bytes_are_counted(int blockSize) => RunAsync(blockSize, async pair =>
    {
        var (server, client) = (pair.Server, pair.Client);
        int size = Scaled(100_000, blockSize);
        var receiving = server.Transport.Input.ReceiveAsync(0, size);
        await client.Transport.Output.SendAsync(0, size);
        await receiving;
        await server.Transport.Output.SendAsync(0, 11);
        await client.Transport.Input.ReceiveAsync(0, 11);

        var (serverCount, clientCount) = (server.Features.Get<IConnectionByteCountFeature>()!, client.Features.Get<IConnectionByteCountFeature>()!);
        if (pair.AddsBytes)
        {
            Assert.True(serverCount.BytesReceived > size && serverCount.BytesSent > 11);
            Assert.True(clientCount.BytesReceived > 11 && clientCount.BytesSent > size);
            return;
        }

        Assert.Equal((size, 11), (serverCount.BytesReceived, serverCount.BytesSent));
        Assert.Equal((11, size), (clientCount.BytesReceived, clientCount.BytesSent));
    });

    [Theory, BlockSizes]
    public Task Megabytes_pass_in_both_directions_at_once(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        int size = Scaled(8 << 20, blockSize);
        var ends = await Task.WhenAll(
            SendAsync(server, new Random(1)),
            SendAsync(client, new Random(2)),
            server.Transport.Input.ReceiveToEndAsync(),
            client.Transport.Input.ReceiveToEndAsync());
        Assert.All(ends, end => Assert.Equal(size, end));

        async Task<long> SendAsync(ConnectionContext connection, Random random)
        {
            var output = connection.Transport.Output;
            long sent = 0;
            while (sent < size)
            {
                int step = (int)Math.Min(random.Next(1, random.Next(2, 100_000)), size - sent);
                if (random.Next(2) == 0)
                {
                    output.Buffer(sent, step);
                    await output.FlushAsync();
                }
                else
                {
                    await output.WriteAsync(Content.Create(sent, step));
                }

                sent += step;
            }

            await output.CompleteAsync();
            return sent;
        }
    });

    [Theory, BlockSizes]
    public Task Request_and_reply_go_on_for_long(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        for (int i = 0; i < 500; i++)
        {
            await client.Transport.Output.SendAsync(i * 10, 10);
            await server.Transport.Input.ReceiveAsync(i * 10, 10);
            await server.Transport.Output.SendAsync(i * 3, 3);
            await client.Transport.Input.ReceiveAsync(i * 3, 3);
        }
    });

    [Theory, BlockSizes]
    public Task The_end_comes_after_the_data_and_stays(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var input = server.Transport.Input;
        await client.Transport.Output.SendAsync(0, 10);
        client.Transport.Output.Buffer(10, 10);
        await client.Transport.Output.CompleteAsync();

        var result = await input.ReadAtLeastAsync(1000);
        Assert.True(result.IsCompleted);
        Assert.Equal(20, result.Buffer.Length);
        Content.Verify(result.Buffer, 0);
        input.AdvanceTo(result.Buffer.GetPosition(5), result.Buffer.End);
        for (int i = 0; i < 3; i++)
        {
            result = await input.ReadAsync();
            Assert.True(result.IsCompleted);
            Content.Verify(result.Buffer, 5 * (i + 1));
            Assert.Equal(15 - 5 * i, result.Buffer.Length);
            input.AdvanceTo(result.Buffer.GetPosition(5), result.Buffer.End);
        }

        result = await input.ReadAsync();
        Assert.True(result.IsCompleted);
        Assert.True(result.Buffer.IsEmpty);
        input.AdvanceTo(result.Buffer.End);
    });

    [Theory, BlockSizes]
    public Task A_pending_read_sees_the_end(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        var reading = server.Transport.Input.ReadAsync().AsTask();
        Assert.False(reading.IsCompleted);
        await client.Transport.Output.CompleteAsync();
        var result = await reading;
        Assert.True(result.IsCompleted);
        Assert.True(result.Buffer.IsEmpty);
        server.Transport.Input.AdvanceTo(result.Buffer.End);
    });

    [Theory, BlockSizes]
    public Task After_the_peers_end_this_side_can_still_write(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        int size = Scaled(300_000, blockSize);
        await client.Transport.Output.SendAsync(0, 10);
        await client.Transport.Output.CompleteAsync();
        Assert.Equal(10, await server.Transport.Input.ReceiveToEndAsync());

        var receiving = client.Transport.Input.ReceiveToEndAsync();
        await server.Transport.Output.SendAsync(0, size);
        await server.Transport.Output.CompleteAsync();
        Assert.Equal(size, await receiving);
    });

    [Theory, BlockSizes]
    public Task Dispose_sends_everything_and_the_end(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        int size = Scaled(300_000, blockSize);
        var receiving = client.Transport.Input.ReceiveToEndAsync();
        await server.Transport.Output.SendAsync(0, size);
        server.Transport.Output.Buffer(size, 500);
        var disposing = server.DisposeAsync();
        Assert.Equal(size + 500, await receiving);
        await client.DisposeAsync();
        await disposing;
    });

    [Theory, BlockSizes]
    public Task Dispose_with_unread_data_gives_every_buffer_back(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        await client.Transport.Output.SendAsync(0, FewBlocks(blockSize));
        var result = await server.Transport.Input.ReadUntilAsync(100);
        server.Transport.Input.AdvanceTo(result.Buffer.GetPosition(10), result.Buffer.End);
    });

    [Theory, BlockSizes]
    public Task Dispose_with_a_read_that_was_not_advanced_gives_every_buffer_back(int blockSize) => RunAsync(blockSize, async (server, client) =>
    {
        await client.Transport.Output.SendAsync(0, FewBlocks(blockSize));
        await server.Transport.Input.ReadUntilAsync(100);
    });

    [Theory, BlockSizes]
    public Task Dispose_with_unwritten_memory_gives_every_buffer_back(int blockSize) => RunAsync(blockSize, (server, client) =>
    {
        server.Transport.Output.GetMemory(10_000);
        client.Transport.Output.GetMemory(1);
        return Task.CompletedTask;
    });

    [Theory, BlockSizes]
    public Task Dispose_and_Abort_after_Dispose_do_nothing(int blockSize) => RunAsync(blockSize, async pair =>
    {
        await pair.Server.Transport.Output.SendAsync(0, 10);
        Assert.Equal(10, await ReceiveAndEndAsync());
        await pair.DisposeConnectionsAsync();
        await pair.DisposeConnectionsAsync();
        pair.Server.Abort();
        pair.Client.Abort(new ConnectionAbortedException("late"));

        async Task<long> ReceiveAndEndAsync()
        {
            await pair.Server.Transport.Output.CompleteAsync();
            return await pair.Client.Transport.Input.ReceiveToEndAsync();
        }
    });
}
