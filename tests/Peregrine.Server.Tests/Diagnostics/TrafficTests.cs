using Microsoft.Extensions.Time.Testing;

namespace Peregrine.Server.Tests.Diagnostics;

/// <summary>The bytes of all connections, as collectors ask for them.</summary>
public sealed class TrafficTests
{
    private const string Read = "peregrine.server.connection.read.bytes";
    private const string Written = "peregrine.server.connection.write.bytes";

    [Fact]
    public async Task A_collector_of_one_count_is_not_told_what_another_has_looked_at_before()
    {
        var clock = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync(Handlers.EchoAsync, clock);
        using var reads = new RecordedMeter(server, Read);
        using var writes = new RecordedMeter(server, Written);
        var client = await server.ConnectAsync();
        await client.SendAsync("abc");
        await client.ReceiveAsync(3);
        Assert.Equal(3, Assert.Single(reads.Observe(Read)).Value);

        clock.Advance(TimeSpan.FromSeconds(1));
        await client.SendAsync("defg");
        await client.ReceiveAsync(4);
        Assert.Equal(7, Assert.Single(writes.Observe(Written)).Value);
        Assert.Equal(7, Assert.Single(reads.Observe(Read)).Value);
    }
}
