using System.Buffers;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Server.Tests.Timeouts;

namespace Peregrine.Server.Tests.Limits;

/// <summary>What a connection may keep, and what all may.</summary>
public sealed class BufferLimitTests
{
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

    [Theory]
    [InlineData("Pause", 2_000_000)]
    [InlineData("Disconnect", 1_000_000)]
    public async Task Who_writes_without_flushing_is_ended_at_the_bound_and_what_comes_later_is_discarded(string policy, int most)
    {
        var written = 0;
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                var buffers = connection.Features.Get<IConnectionBufferFeature>()!;
                for (var i = 0; i < 10_000; i++)
                {
                    connection.Transport.Output.Write(new byte[1000]);
                    written = Math.Max(written, (int)buffers.UnsentBytes);
                }

                await connection.Transport.Input.ReadAsync();
            },
            (":Limits:MaxUnsentBytes", "1000000"), (":Limits:SlowConsumers", policy));
        await server.ConnectAsync();
        await SupervisedServer.UntilAsync(() => server.Log.WithId(SupervisedServer.Ended).Count == 1);
        Assert.Contains($"({nameof(ConnectionCloseReason.SlowConsumer)})", server.Log.WithId(SupervisedServer.Ended)[0].Message, StringComparison.Ordinal);
        Assert.Contains("Peregrine:Endpoints:test:Limits:MaxUnsentBytes", Assert.Single(server.Log.WithId(SupervisedServer.Refused)).Message, StringComparison.Ordinal);
        Assert.InRange(written, most, most + 10_000);
        Assert.DoesNotContain(server.Log.Entries, entry => entry.Id.Id == 8);
    }

    [Fact]
    public async Task Above_the_bound_of_all_the_slowest_are_ended_until_it_is_kept()
    {
        var count = 0;
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                // The first two keep much; the second moves on. The third keeps little.
                var size = Interlocked.Increment(ref count) == 3 ? 1_000 : 600_000;
                connection.Transport.Output.Write(new byte[size]);
                await Handlers.EchoAsync(connection);
            },
            ("Limits:MaxBufferedBytes", "1048576"));
        var slow = await server.ConnectAsync();
        server.Pass(3);
        var moving = await server.ConnectAsync();
        var small = await server.ConnectAsync();
        await SupervisedServer.UntilAsync(() => count == 3);
        server.IsNotEnded();
        server.Pass(1);
        var refused = Assert.Single(server.Log.WithId(SupervisedServer.Refused));
        Assert.Contains("Peregrine:Limits:MaxBufferedBytes", refused.Message, StringComparison.Ordinal);
        await SupervisedServer.UntilAsync(() => server.Log.WithId(SupervisedServer.Ended).Count == 1);
        server.Pass(5);
        Assert.Single(server.Log.WithId(SupervisedServer.Refused));
        await small.SendAsync("x");
        Assert.Equal(1001, (await small.ReceiveAsync(1001)).Length);
        GC.KeepAlive((slow, moving));
    }

    [Fact]
    public async Task Below_it_nobody_is_ended()
    {
        await using var server = await SupervisedServer.StartAsync(
            async connection =>
            {
                connection.Transport.Output.Write(new byte[500_000]);
                await _end.Task;
            },
            ("Limits:MaxBufferedBytes", "1048576"));
        await server.ConnectAsync();
        await server.ConnectAsync();
        server.Pass(10);
        server.IsNotEnded();
        _end.SetResult();
    }
}
