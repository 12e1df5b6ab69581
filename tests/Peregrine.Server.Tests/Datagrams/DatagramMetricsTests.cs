using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Peregrine.Server.Tests.Datagrams;

public sealed class DatagramMetricsTests
{
    private const int Dropped = 51;
    private const int QueueLength = 16;

    [Fact]
    public async Task Everything_is_counted_by_endpoint_and_reason()
    {
        await using var server = DatagramServer.Create(
            udp => udp.Run(DatagramServer.EchoAsync), new() { ["Peregrine:Endpoints:test:Addresses:Deny:0"] = "192.0.2.0/24" });
        using var meter = new RecordedMeter(server);
        await server.StartAsync();
        using var client = server.Datagrams.CreateClient();
        server.Datagrams.Send("lost"u8, new DatagramAddress(0xC0000201, 1), server.AddressOf());
        client.Send("hello"u8, server.AddressOf());
        Assert.Equal("hello", await client.ReceiveTextAsync());
        await DatagramEndpointTests.UntilAsync(() => server.Counters().Sent == 1);
        Check("received", 2);
        Check("received.bytes", 9);
        Check("sent", 1);
        Check("sent.bytes", 5);
        var drop = Assert.Single(meter.Observe("peregrine.server.datagrams.dropped"));
        Assert.Equal((1, "rejected_address", "test", "udp"), (drop.Value, drop.Tags["peregrine.drop.reason"], drop.Tags["peregrine.endpoint"], drop.Tags["network.transport"]));

        // What was counted stays after the stop.
        await server.StopAsync();
        Check("received", 2);

        void Check(string name, int expected)
        {
            var (value, tags) = Assert.Single(meter.Observe($"peregrine.server.datagrams.{name}"));
            Assert.Equal((expected, "test", "udp"), (value, tags["peregrine.endpoint"], tags["network.transport"]));
        }
    }

    [Fact]
    public void Every_reason_has_a_name_of_its_own()
    {
        var names = Enum.GetValues<DatagramDropReason>().Select(Peregrine.Server.Datagrams.DatagramMetrics.NameOf).ToList();
        Assert.Equal(names.Count, names.Distinct().Count());
        Assert.All(names, name => Assert.Matches("^[a-z]+(_[a-z]+)*$", name));
    }

    [Fact]
    public async Task The_kernels_drops_are_in_an_observation_and_warned_of_once_a_minute()
    {
        var clock = new FakeTimeProvider();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = DatagramServer.Create(udp => udp.Run(async (_, _) => await gate.Task), clock: clock);
        using var meter = new RecordedMeter(server);
        await server.StartAsync();
        using var client = server.Datagrams.CreateClient();
        Fill();
        var drop = Assert.Single(meter.Observe("peregrine.server.datagrams.dropped"));
        Assert.Equal("receive_buffer_full", drop.Tags["peregrine.drop.reason"]);
        Assert.Equal(100, drop.Value);

        await BeatAsync(() => server.Log.WithId(Dropped).Count == 1);
        var warning = server.Log.WithId(Dropped)[0];
        Assert.Equal(LogLevel.Warning, warning.Level);
        Assert.Contains("100 datagrams", warning.Message, StringComparison.Ordinal);
        Assert.Contains("Peregrine:Endpoints:test:Socket:ReceiveBufferSizeInBytes", warning.Message, StringComparison.Ordinal);

        // Without an observation, the beat asks the kernel.
        Fill();
        await BeatAsync(() => server.Counters().GetDropped(DatagramDropReason.ReceiveBufferFull) == 200);
        await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        Assert.Single(server.Log.WithId(Dropped));
        clock.Advance(TimeSpan.FromMinutes(1));
        await BeatAsync(() => server.Log.WithId(Dropped).Count == 2);
        Assert.Contains("100 datagrams", server.Log.WithId(Dropped)[1].Message, StringComparison.Ordinal);
        gate.SetResult();

        // Until 100 more have found the queue full: the loop may take some of the first out.
        void Fill()
        {
            var before = server.Counters().GetDropped(DatagramDropReason.ReceiveBufferFull);
            if (before == 0)
            {
                client.Send([], server.AddressOf());
                SpinWait.SpinUntil(() => server.Counters().Received == 1, TestServer.Limit);
                for (var i = 0; i < QueueLength; i++)
                {
                    client.Send([], server.AddressOf());
                }
            }

            for (var i = 0; i < 100; i++)
            {
                client.Send([], server.AddressOf());
            }
        }

        async Task BeatAsync(Func<bool> until)
        {
            for (var i = 0; i < 50 && !until(); i++)
            {
                clock.Advance(TimeSpan.FromSeconds(1));
                await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
            }

            Assert.True(until());
        }
    }

    [Fact]
    public async Task A_full_send_queue_is_warned_of_with_the_setting()
    {
        var clock = new FakeTimeProvider();
        await using var server = DatagramServer.Create(udp => udp.Run(DatagramServer.EchoAsync), clock: clock);
        await server.StartAsync();
        server.Datagrams.IsCongested = true;
        using var client = server.Datagrams.CreateClient();
        for (var i = 0; i < 2; i++)
        {
            for (var k = 0; k < QueueLength; k++)
            {
                client.Send([], server.AddressOf());
            }

            await DatagramEndpointTests.UntilAsync(() => server.Counters().Received == QueueLength * (i + 1));
        }

        await DatagramEndpointTests.UntilAsync(() => server.Counters().GetDropped(DatagramDropReason.SendQueueFull) == QueueLength);
        clock.Advance(TimeSpan.FromSeconds(1));
        await DatagramEndpointTests.UntilAsync(() => server.Log.WithId(Dropped).Count == 1);
        Assert.Contains("MaxQueuedBytes", server.Log.WithId(Dropped)[0].Message, StringComparison.Ordinal);
        server.Datagrams.IsCongested = false;
    }
}
