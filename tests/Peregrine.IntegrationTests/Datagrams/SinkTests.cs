using System.Diagnostics.Metrics;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Datagrams;

/// <summary>Everything that is sent is received or counted as dropped, exactly.</summary>
public sealed class SinkTests
{
    private const int Sent = 200_000;

    [Theory]
    [InlineData(ConnectionScheduling.ThreadPool, DatagramIo.Auto, 1)]
    [InlineData(ConnectionScheduling.Inline, DatagramIo.Auto, 1)]
    [InlineData(ConnectionScheduling.ThreadPool, DatagramIo.OneByOne, 1)]
    [InlineData(ConnectionScheduling.ThreadPool, DatagramIo.Auto, 2)]
    public async Task A_flood_that_is_too_fast_is_received_or_counted(ConnectionScheduling scheduling, DatagramIo io, int listeners)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        long handled = 0;
        await using var server = await DatagramServer.StartAsync(
            (batch, _) =>
            {
                Interlocked.Add(ref handled, batch.Count);
                return default;
            },
            options =>
            {
                (options.Scheduling, options.Io, options.Listeners) = (scheduling, io, listeners);
                options.Socket.ReceiveBufferSizeInBytes = 65_536;
            });
        var clients = Enumerable.Range(0, 8).Select(_ => server.Connect()).ToArray();
        await Task.Run(() =>
        {
            var payload = new byte[64];
            for (var i = 0; i < Sent; i++)
            {
                clients[i % clients.Length].Send(payload);
            }
        });

        var dropped = 0L;
        await DatagramServer.UntilAsync(() =>
        {
            dropped = ObserveDrops(server).GetValueOrDefault("receive_buffer_full");
            return server.Counters.Received + dropped == Sent;
        });
        await server.StopAsync(); // A datagram is counted before it is handled.
        Assert.Equal(server.Counters.Received, Interlocked.Read(ref handled));
        Assert.Equal(64L * server.Counters.Received, server.Counters.ReceivedBytes);
        Assert.True(dropped > 0, "Nothing was dropped: it was no flood.");
        Array.ForEach(clients, client => client.Dispose());
    }

    [LinuxFact]
    public async Task A_stop_under_a_flood_ends_in_time_and_what_was_received_was_handled()
    {
        long handled = 0;
        var server = await DatagramServer.StartAsync((batch, _) =>
        {
            Interlocked.Add(ref handled, batch.Count);
            return default;
        });
        using var client = server.Connect();
        using var over = new CancellationTokenSource();
        var flood = Task.Run(() =>
        {
            var payload = new byte[64];
            while (!over.IsCancellationRequested)
            {
                try
                {
                    client.Send(payload);
                }
                catch (SocketException)
                {
                    // Nobody is there any more.
                }
            }
        });
        await DatagramServer.UntilAsync(() => Interlocked.Read(ref handled) > 10_000);
        var began = TimeProvider.System.GetTimestamp();
        await server.StopAsync();
        Assert.InRange(TimeProvider.System.GetElapsedTime(began), TimeSpan.Zero, TimeSpan.FromSeconds(20));
        await over.CancelAsync();
        await flood;
        Assert.Equal(server.Counters.Received, Interlocked.Read(ref handled));
        await server.DisposeAsync();
    }

    [Theory]
    [InlineData(DatagramIo.Auto)]
    [InlineData(DatagramIo.OneByOne)]
    public async Task A_handler_that_blocks_for_ever_costs_what_is_queued_and_not_the_stop(DatagramIo io)
    {
        using var gate = new ManualResetEventSlim();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var server = await DatagramServer.StartAsync(
            (_, _) =>
            {
                entered.TrySetResult();
                Assert.True(gate.Wait(DatagramServer.Limit));
                return default;
            },
            options => options.Io = io,
            shutdownTimeout: TimeSpan.FromMilliseconds(500));
        using var client = server.Connect();
        client.Send([1]);

        // One that is only counted may still have others added to its batch.
        await entered.Task.WaitAsync(DatagramServer.Limit);
        for (var i = 0; i < 10; i++)
        {
            client.Send([1]);
        }

        await server.StopAsync();
        Assert.Equal((11, 10), (server.Counters.Received, server.Counters.GetDropped(DatagramDropReason.Stopping)));
        gate.Set();
        await server.DisposeAsync();
    }

    [LinuxFact]
    public async Task Datagrams_that_are_too_long_or_not_let_in_are_counted_by_their_reason()
    {
        await using var server = await DatagramServer.StartAsync(
            DatagramServer.EchoAsync,
            options =>
            {
                options.MaxDatagramSizeInBytes = 100;
                options.Addresses.Deny.Add(System.Net.IPNetwork.Parse("127.0.0.9/32"));
            });
        using var client = server.Connect();
        using var stranger = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        stranger.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Parse("127.0.0.9"), 0));
        stranger.SendTo([1], server.Address);
        client.Send(new byte[101]);
        client.Send(new byte[100]);
        var answer = new byte[200];
        Assert.Equal(100, await client.ReceiveAsync(answer.AsMemory()).AsTask().WaitAsync(DatagramServer.Limit));
        await DatagramServer.UntilAsync(() => ObserveDrops(server) is { Count: 2 });
        var drops = ObserveDrops(server);
        Assert.Equal((1, 1), (drops["truncated"], drops["rejected_address"]));
    }

    /// <summary>What the metrics say, as a monitoring system sees it.</summary>
    private static Dictionary<string, long> ObserveDrops(DatagramServer server)
    {
        var drops = new Dictionary<string, long>();
        using var listener = new MeterListener();
        var meters = server.Services.GetRequiredService<IMeterFactory>();
        listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == meters && instrument.Name == "peregrine.server.datagrams.dropped")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) => drops[(string)tags.ToArray().ToDictionary()["peregrine.drop.reason"]!] = value);
        listener.Start();
        listener.RecordObservableInstruments();
        return drops;
    }
}
