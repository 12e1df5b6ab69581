using System.Net;
using Peregrine.IntegrationTests.Processes;
using StackExchange.Redis;

namespace Peregrine.IntegrationTests.Samples.Resp;

/// <summary>The client that .NET applications use, with the versions of RESP that it speaks.</summary>
public sealed class StackExchangeRedisTests
{
    [Theory]
    [InlineData(RedisProtocol.Resp2)]
    [InlineData(RedisProtocol.Resp3)]
    public async Task It_sets_and_gets_counts_and_expires(RedisProtocol protocol)
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        await using var client = await ConnectAsync(endPoint, protocol);
        var database = client.GetDatabase();
        Assert.True(await database.StringSetAsync("key", "value"));
        Assert.Equal("value", await database.StringGetAsync("key"));
        Assert.False(await database.StringSetAsync("key", "other", when: When.NotExists));
        Assert.True((await database.StringGetAsync("missing")).IsNull);
        byte[] any = [0, 13, 10, 255];
        Assert.True(await database.StringSetAsync("bytes", any, TimeSpan.FromMinutes(5)));
        Assert.Equal(any, (byte[]?)await database.StringGetAsync("bytes"));
        Assert.InRange((await database.KeyTimeToLiveAsync("bytes"))!.Value, TimeSpan.FromMinutes(4), TimeSpan.FromMinutes(5));
        Assert.Equal(1, await database.StringIncrementAsync("count"));
        Assert.Equal(11, await database.StringIncrementAsync("count", 10));
        Assert.Equal(9, await database.StringDecrementAsync("count", 2));
        Assert.True(await database.KeyExpireAsync("key", TimeSpan.FromHours(1)));
        Assert.True(await database.KeyPersistAsync("key"));
        Assert.Null(await database.KeyTimeToLiveAsync("key"));
        Assert.True(await database.StringSetAsync([new("a", 1), new("b", 2)]));
        Assert.Equal([1, RedisValue.Null, 2], await database.StringGetAsync(["a", "missing", "b"]));
        Assert.Equal(2, await database.KeyDeleteAsync(["a", "b", "missing"]));
        Assert.True(await database.KeyExistsAsync("key"));
        Assert.Equal("hello", (string?)await database.ExecuteAsync("ECHO", "hello"));
        Assert.Contains("unknown command", (await Assert.ThrowsAsync<RedisServerException>(() => database.ExecuteAsync("NOSUCH"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(RedisProtocol.Resp2)]
    [InlineData(RedisProtocol.Resp3)]
    public async Task A_thousand_commands_at_once_are_answered_in_order(RedisProtocol protocol)
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        await using var client = await ConnectAsync(endPoint, protocol);
        var batch = client.GetDatabase().CreateBatch();
        var numbers = Enumerable.Range(0, 1_000).Select(_ => batch.StringIncrementAsync("count")).ToList();
        var values = Enumerable.Range(0, 1_000).Select(i => (Set: batch.StringSetAsync($"key{i}", i), Get: batch.StringGetAsync($"key{i}"))).ToList();
        batch.Execute();
        Assert.Equal(Enumerable.Range(1, 1_000).Select(i => (long)i), await Task.WhenAll(numbers).WaitAsync(RespServer.Limit));
        Assert.All(await Task.WhenAll(values.Select(value => value.Set)).WaitAsync(RespServer.Limit), Assert.True);
        Assert.Equal(Enumerable.Range(0, 1_000), (await Task.WhenAll(values.Select(value => value.Get)).WaitAsync(RespServer.Limit)).Select(value => (int)value));
    }

    [Theory]
    [InlineData(RedisProtocol.Resp2)]
    [InlineData(RedisProtocol.Resp3)]
    public async Task What_is_published_comes_in_order_to_channels_and_patterns(RedisProtocol protocol)
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        await using var client = await ConnectAsync(endPoint, protocol);
        await using var other = await ConnectAsync(endPoint, protocol);
        var news = await client.GetSubscriber().SubscribeAsync(RedisChannel.Literal("news"));
        var all = await client.GetSubscriber().SubscribeAsync(RedisChannel.Pattern("n*"));
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(2, await other.GetSubscriber().PublishAsync(RedisChannel.Literal("news"), i));
        }

        foreach (var queue in (ChannelMessageQueue[])[news, all])
        {
            for (var i = 0; i < 100; i++)
            {
                Assert.Equal(i, (int)(await queue.ReadAsync().AsTask().WaitAsync(RespServer.Limit)).Message);
            }
        }

        await news.UnsubscribeAsync();
        Assert.Equal(1, await other.GetSubscriber().PublishAsync(RedisChannel.Literal("news"), "last"));
    }

    [Fact]
    public async Task It_connects_again_to_a_server_that_was_restarted()
    {
        var port = FreePorts.Take(IPAddress.Loopback);
        var endPoint = new IPEndPoint(IPAddress.Loopback, port);
        var (server, _) = await RespServer.StartAsync($"--Peregrine:Endpoints:resp:Url=tcp://{endPoint}");
        await using var client = await ConnectAsync(endPoint, RedisProtocol.Resp3);
        var restored = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        client.ConnectionRestored += (_, connection) =>
        {
            if (connection.ConnectionType == ConnectionType.Interactive)
            {
                restored.TrySetResult();
            }
        };
        await client.GetDatabase().StringSetAsync("key", "value");
        server.Signal(ServerProcess.SigTerm);
        Assert.Equal(0, await server.WaitForExitAsync());
        await server.DisposeAsync();

        (server, _) = await RespServer.StartAsync($"--Peregrine:Endpoints:resp:Url=tcp://{endPoint}");
        await using var again = server;
        await restored.Task.WaitAsync(RespServer.Limit);
        Assert.True((await client.GetDatabase().StringGetAsync("key")).IsNull);
        Assert.True(await client.GetDatabase().StringSetAsync("key", "value"));
    }

    private static async Task<ConnectionMultiplexer> ConnectAsync(EndPoint endPoint, RedisProtocol protocol)
    {
        var options = new ConfigurationOptions { Protocol = protocol, ConnectTimeout = 30_000, AsyncTimeout = 30_000, SyncTimeout = 30_000, ReconnectRetryPolicy = new LinearRetry(200) };
        options.EndPoints.Add(endPoint);
        return await ConnectionMultiplexer.ConnectAsync(options).WaitAsync(RespServer.Limit);
    }
}
