using System.Buffers;
using System.Diagnostics.Metrics;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Peregrine.Features;
using Peregrine.Server.Tests.Timeouts;

namespace Peregrine.Server.Tests.Diagnostics;

/// <summary>A run of which everything is known, by a clock that only the test moves, and every number that comes of it.</summary>
public sealed class ScriptedRunTests
{
    private const string Meter = "peregrine.server.";

    private readonly TaskCompletionSource _finish = new(TaskCreationOptions.RunContinuationsAsynchronously);

    [Fact]
    public async Task A_run_with_known_traffic_resets_timeouts_refusals_and_a_drain_gives_exactly_the_expected_numbers()
    {
        await using var server = await SupervisedServer.StartAsync(
            HandleAsync, (":Timeouts:Idle", "00:00:05"), (":Limits:MaxUnsentBytes", "1024"), (":Limits:SlowConsumers", "Disconnect"),
            (":Addresses:Deny:0", "10.0.0.0/8"));
        using var meter = new RecordedMeter(server.Inner);

        await EchoAsync(server, "hello", client => client.Transport.Output.CompleteAsync(), ConnectionCloseReason.PeerClosed);
        await EchoAsync(
            server, "abc",
            client =>
            {
                client.Abort();
                return default;
            },
            ConnectionCloseReason.PeerReset);
        await EchoAsync(server, "!", _ => default, ConnectionCloseReason.SlowConsumer, echoes: false);
        await EchoAsync(server, "#", _ => default, ConnectionCloseReason.HandlerFailed, echoes: false);

        await server.ConnectAsync();
        Assert.Equal(1, Assert.Single(meter.Observe(Meter + "connections.active")).Value);
        server.Pass(7);
        await EndedAsync(server, ConnectionCloseReason.IdleTimeout);

        server.Set(":Addresses:Deny:0", "127.0.0.0/8");
        await server.Inner.ConnectAsync();
        await SupervisedServer.UntilAsync(() => meter.Recorded(Meter + "connections.rejected").Count == 1);
        server.Set(":Addresses:Deny:0", "10.0.0.0/8");

        var last = await server.ConnectAsync();
        await last.SendAsync("?");
        await SupervisedServer.UntilAsync(() => meter.Observe(Meter + "connection.read.bytes")[0].Value == 11);
        Assert.Empty(meter.Observe(Meter + "drain.remaining"));
        var stop = server.Inner.StopAsync();
        await SupervisedServer.UntilAsync(() => meter.Observe(Meter + "drain.remaining").Count == 1);
        var (remaining, stage) = Assert.Single(meter.Observe(Meter + "drain.remaining"));
        Assert.Equal((1, "handling"), (remaining, stage["peregrine.stage"]));
        _finish.SetResult();
        await stop;

        Assert.Equal(6, SumOf(meter, "connections.accepted"));
        Assert.Equal([("rejected_address", 1)], ReasonsOf(meter, "connections.rejected"));
        Assert.Equal([("idle_timeout", 1)], ReasonsOf(meter, "connections.timed_out"));
        Assert.Equal([("slow_consumer", 1)], ReasonsOf(meter, "connections.over_limit"));
        Assert.Equal(
            [("handler_failed", 1), ("idle_timeout", 1), ("peer_closed", 1), ("peer_reset", 1), ("server_stopping", 1), ("slow_consumer", 1)],
            ReasonsOf(meter, "connection.duration"));
        Assert.Empty(meter.Recorded(Meter + "accept.errors"));
        Assert.Empty(meter.Recorded(Meter + "connections.aborted_unflushed"));
        Assert.Equal(7, meter.Recorded(Meter + "heartbeat.duration").Count);
        Assert.Equal(0, Assert.Single(meter.Observe(Meter + "connections.active")).Value);
        Assert.Equal(5 + 3 + 1 + 1 + 1, Assert.Single(meter.Observe(Meter + "connection.read.bytes")).Value);
        Assert.Equal(5 + 3, Assert.Single(meter.Observe(Meter + "connection.write.bytes")).Value);
        Assert.Equal(0, Assert.Single(meter.Observe(Meter + "backpressure.duration")).Value);
        foreach (var ofSockets in (string[])["accept.queue.overflows", "pool.allocated", "pool.rented", "tcp.sockets"])
        {
            Assert.Empty(meter.Observe(Meter + ofSockets)); // This transport has none.
        }

        foreach (var ofEndpoint in (string[])["connections.accepted", "connections.rejected", "connections.timed_out", "connections.over_limit", "connection.duration"])
        {
            Assert.All(meter.Recorded(Meter + ofEndpoint), one => Assert.Equal(("test", "tcp"), (one.Tags["peregrine.endpoint"], one.Tags["network.transport"])));
        }
    }

    [Fact]
    public async Task Bytes_of_connections_that_work_are_seen_and_a_sum_never_goes_down()
    {
        await using var server = await SupervisedServer.StartAsync(HandleAsync);
        using var meter = new RecordedMeter(server.Inner);
        var clients = new List<ConnectionContext>();
        for (var i = 0; i < 3; i++)
        {
            var client = await server.ConnectAsync();
            clients.Add(client);
            await client.SendAsync("ping");
            await client.ReceiveAsync(4);
        }

        Assert.Equal(12, Assert.Single(meter.Observe(Meter + "connection.read.bytes")).Value);
        Assert.Equal(12, Assert.Single(meter.Observe(Meter + "connection.write.bytes")).Value);
        var before = 12.0;
        foreach (var client in clients)
        {
            await client.Transport.Output.CompleteAsync();
            var now = Assert.Single(meter.Observe(Meter + "connection.write.bytes")).Value;
            Assert.InRange(now, before, 12);
            before = now;
        }

        await SupervisedServer.UntilAsync(() => server.Inner.Server.Endpoints[0].Connections == 0);
        Assert.Equal(12, Assert.Single(meter.Observe(Meter + "connection.read.bytes")).Value);
        _finish.SetResult();
    }

    [Fact]
    public async Task A_listener_that_throws_harms_nobody()
    {
        await using var server = await SupervisedServer.StartAsync(HandleAsync, (":Timeouts:Idle", "00:00:02"));
        using var listener = new MeterListener();
        var thrown = 0;

        // Of this server alone: those that come behind a listener that throws are not called, and other tests listen to theirs.
        var meters = server.Inner.Host.Services.GetRequiredService<IMeterFactory>();
        listener.InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Meter.Scope == meters && instrument.Meter.Name == "Peregrine.Server" && !instrument.IsObservable)
            {
                own.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => Throw());
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => Throw());
        listener.Start();
        await EchoAsync(server, "one", client => client.Transport.Output.CompleteAsync(), ConnectionCloseReason.PeerClosed);
        await server.ConnectAsync();
        server.Pass(4);
        await EndedAsync(server, ConnectionCloseReason.IdleTimeout);
        await EchoAsync(server, "two", client => client.Transport.Output.CompleteAsync(), ConnectionCloseReason.PeerClosed, count: 2);
        Assert.True(Volatile.Read(ref thrown) >= 6);
        _finish.SetResult();

        void Throw()
        {
            Interlocked.Increment(ref thrown);
            throw new InvalidOperationException("The collector is broken.");
        }
    }

    /// <summary>Echoes; "!" makes it write without flushing, "#" fail, "?" wait for the test.</summary>
    private async Task HandleAsync(ConnectionContext connection)
    {
        while (true)
        {
            var read = await connection.Transport.Input.ReadAsync(connection.ConnectionClosed);
            var text = Encoding.UTF8.GetString(read.Buffer);
            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            switch (text)
            {
                case "":
                    return;
                case "!":
                    for (var i = 0; i < 100 && !connection.ConnectionClosed.IsCancellationRequested; i++)
                    {
                        connection.Transport.Output.GetSpan(100);
                        connection.Transport.Output.Advance(100);
                    }

                    return;
                case "#":
                    throw new InvalidOperationException("It was asked to.");
                case "?":
                    await _finish.Task;
                    await connection.CloseRequested().WhenFiredAsync(); // The stop has begun before it asks for this.
                    return;
                default:
                    await connection.Transport.Output.WriteAsync(Encoding.UTF8.GetBytes(text));
                    break;
            }
        }
    }

    private static async Task EchoAsync(
        SupervisedServer server, string text, Func<ConnectionContext, ValueTask> end, ConnectionCloseReason reason, bool echoes = true, int count = 1)
    {
        var client = await server.ConnectAsync();
        await client.SendAsync(text);
        if (echoes)
        {
            Assert.Equal(text, await client.ReceiveAsync(text.Length));
        }

        await end(client);
        await EndedAsync(server, reason, count);
    }

    private static async Task EndedAsync(SupervisedServer server, ConnectionCloseReason reason, int count = 1)
    {
        await SupervisedServer.UntilAsync(
            () => server.Log.WithId(SupervisedServer.Ended).Count(entry => entry.Message.Contains($"({reason})", StringComparison.Ordinal)) == count);
        await SupervisedServer.UntilAsync(() => server.Inner.Server.Endpoints[0].Connections == 0);
    }

    private static double SumOf(RecordedMeter meter, string instrument) => meter.Recorded(Meter + instrument).Sum(one => one.Value);

    private static IEnumerable<(string, int)> ReasonsOf(RecordedMeter meter, string instrument) => meter.Recorded(Meter + instrument)
        .GroupBy(one => (string)one.Tags["peregrine.close.reason"]!).Select(reason => (reason.Key, reason.Count())).OrderBy(reason => reason.Key, StringComparer.Ordinal);
}
