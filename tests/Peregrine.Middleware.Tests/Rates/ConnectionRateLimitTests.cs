using System.Net;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Features;

namespace Peregrine.Middleware.Tests.Rates;

public sealed class ConnectionRateLimitTests
{
    [Fact]
    public async Task An_address_has_its_burst_and_then_its_rate_and_another_has_its_own()
    {
        var clock = new FakeTimeProvider();
        await using var pipeline = Pipeline.Build(
            Pipeline.Services(clock: clock), builder => builder.UseConnectionRateLimit(2, burst: 5), _ => Task.CompletedTask);
        for (var i = 0; i < 5; i++)
        {
            Assert.True(await ComesInAsync(pipeline, "192.0.2.1"));
        }

        Assert.False(await ComesInAsync(pipeline, "192.0.2.1"));
        Assert.True(await ComesInAsync(pipeline, "192.0.2.2"));
        clock.Advance(TimeSpan.FromSeconds(0.5));
        Assert.True(await ComesInAsync(pipeline, "192.0.2.1"));
        Assert.False(await ComesInAsync(pipeline, "192.0.2.1"));
        clock.Advance(TimeSpan.FromSeconds(60));
        for (var i = 0; i < 5; i++)
        {
            Assert.True(await ComesInAsync(pipeline, "192.0.2.1"));
        }

        Assert.False(await ComesInAsync(pipeline, "192.0.2.1"));
    }

    [Fact]
    public async Task An_IPv6_network_of_64_bits_is_one_and_those_that_are_exempt_or_have_no_address_are_none()
    {
        await using var pipeline = Pipeline.Build(
            Pipeline.Services(clock: new FakeTimeProvider()),
            builder => builder.UseConnectionRateLimit(1, exempt: [IPNetwork.Parse("192.0.2.0/24")]), _ => Task.CompletedTask);
        Assert.True(await ComesInAsync(pipeline, "2001:db8::1"));
        Assert.False(await ComesInAsync(pipeline, "2001:db8::2"));
        Assert.True(await ComesInAsync(pipeline, "2001:db8:0:1::1"));
        for (var i = 0; i < 3; i++)
        {
            Assert.True(await ComesInAsync(pipeline, "192.0.2.7"));
            Assert.True(await ComesInAsync(pipeline, address: null));
        }
    }

    [Fact]
    public async Task A_limiter_of_ones_own_is_asked_and_its_lease_lasts_as_long_as_the_handler()
    {
        using var limiter = PartitionedRateLimiter.Create<ConnectionContext, string>(connection => RateLimitPartition.GetConcurrencyLimiter(
            ((IPEndPoint)connection.RemoteEndPoint!).Address.ToString(), _ => new ConcurrencyLimiterOptions { PermitLimit = 1 }));
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pipeline = Pipeline.Build(Pipeline.Services(), builder => builder.UseConnectionRateLimit(limiter), _ => done.Task);
        var first = await pipeline.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 1));
        Assert.False(await ComesInAsync(pipeline, "127.0.0.1"));
        done.SetResult();
        await first.Ended.Bounded();
        Assert.True(await ComesInAsync(pipeline, "127.0.0.1"));
    }

    [Fact]
    public async Task Inside_Kestrel_one_that_comes_too_soon_is_reset_and_counted()
    {
        var clock = new FakeTimeProvider();
        await using var server = await Servers.KestrelAsync(
            listen => listen.UseConnectionRateLimit(1).Run(Handlers.EchoAsync), clock: clock);
        var rejected = Pipeline.CountRejected(server.Services, out var listener);
        using var _ = listener;
        await EchoAsync(server);
        await server.IsResetAsync();
        Assert.Equal(new Dictionary<string, long> { ["rejected_connection_rate"] = 1 }, rejected);
        clock.Advance(TimeSpan.FromSeconds(2));
        await EchoAsync(server);
    }

    private static async Task EchoAsync(RunningServer server)
    {
        await using var client = await server.ConnectAsync();
        await client.WriteAsync(new byte[1]);
        await client.ReadExactlyAsync(new byte[1]).AsTask().Bounded();
    }

    private static async Task<bool> ComesInAsync(Pipeline pipeline, string? address)
    {
        EndPoint from = address is null ? new System.Net.Sockets.UnixDomainSocketEndPoint("/x") : new IPEndPoint(IPAddress.Parse(address), 1234);
        var run = await pipeline.ConnectAsync(from);
        await run.Ended.Bounded();
        var reason = run.Server.Features.Get<IConnectionCloseFeature>()!.Reason;
        Assert.True(reason is ConnectionCloseReason.None or ConnectionCloseReason.RejectedConnectionRate);
        return reason == ConnectionCloseReason.None;
    }
}
