using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Time.Testing;

namespace Peregrine.Server.Tests.Datagrams;

public sealed class DatagramStopTests
{
    private const int Stopped = 3;
    private const int DrainFailed = 53;
    private const int Deadline = 56;
    private const int DatagramsStopped = 57;

    [Fact]
    public async Task What_is_queued_is_handled_then_peers_are_told_then_the_socket_is_closed()
    {
        var calls = new List<string>();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        DatagramSender? last = null;
        DatagramPath peer = default;
        await using var server = DatagramServer.Create(udp => udp
            .OnStopping(_ => throw new InvalidOperationException("No goodbye."))
            .OnStopping(async deadline =>
            {
                Assert.False(deadline.IsCancellationRequested);
                lock (calls)
                {
                    calls.Add("goodbye");
                }

                await last!.SendAsync("goodbye"u8.ToArray(), peer, default, deadline);
            })
            .Run(async (batch, sender) =>
            {
                await gate.Task;
                (last, peer) = (sender, batch[0].Path);
                lock (calls)
                {
                    calls.Add($"{batch.Count}");
                }

                await DatagramServer.EchoAsync(batch, sender);
            }));
        await server.StartAsync();
        using var client = server.Datagrams.CreateClient();
        for (var i = 0; i < 9; i++)
        {
            client.Send([(byte)('0' + i)], server.AddressOf());
        }

        var stop = server.StopAsync();
        await DatagramEndpointTests.UntilAsync(() => server.Server.State == ServerState.Stopping);
        gate.SetResult();
        await stop;
        for (var i = 0; i < 9; i++)
        {
            Assert.Equal($"{i}", await client.ReceiveTextAsync());
        }

        Assert.Equal("goodbye", await client.ReceiveTextAsync());
        Assert.Equal("goodbye", calls[^1]);
        Assert.Equal(9, calls.Take(calls.Count - 1).Sum(count => int.Parse(count, System.Globalization.CultureInfo.InvariantCulture)));
        Assert.Throws<ObjectDisposedException>(() => last!.TrySend([], peer));
        Assert.Equal("No goodbye.", Assert.Single(server.Log.WithId(DrainFailed)).Exception?.Message);
        Assert.Equal(
            "Stopped: 9 datagrams were received since the start and 10 sent; 0 were dropped at the deadline of the stop", Assert.Single(server.Log.WithId(DatagramsStopped)).Message);
        Assert.Empty(server.Log.WithId(Stopped));
        Assert.Empty(server.Log.WithId(Deadline));
    }

    [Fact]
    public async Task A_handler_that_does_not_end_is_waited_for_until_the_deadline_and_what_is_left_is_counted()
    {
        var clock = new FakeTimeProvider();
        var handling = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var never = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = DatagramServer.Create(
            udp => udp.Run(async (_, _) =>
            {
                handling.TrySetResult();
                await never.Task;
            }),
            clock: clock);
        await server.StartAsync();
        using var client = server.Datagrams.CreateClient();
        client.Send([], server.AddressOf());
        await handling.Task.InTimeAsync();
        for (var i = 0; i < 7; i++)
        {
            client.Send([], server.AddressOf());
        }

        var stop = server.StopAsync();
        await DatagramEndpointTests.UntilAsync(() => server.Server.State == ServerState.Stopping);
        clock.Advance(TimeSpan.FromSeconds(24));
        await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        Assert.False(stop.IsCompleted);
        Assert.Equal(0, server.Counters().GetDropped(DatagramDropReason.Stopping));

        await AdvanceUntilAsync(clock, stop);
        Assert.Equal(7, server.Counters().GetDropped(DatagramDropReason.Stopping));
        var warning = Assert.Single(server.Log.WithId(Deadline)).Message;
        Assert.Contains("Peregrine:ShutdownTimeout", warning, StringComparison.Ordinal);
        Assert.Contains("handlers", warning, StringComparison.Ordinal);
        Assert.Contains("7 were dropped", Assert.Single(server.Log.WithId(DatagramsStopped)).Message, StringComparison.Ordinal);
        never.SetResult();
    }

    [Fact]
    public async Task A_goodbye_that_does_not_end_is_cancelled_at_the_deadline_and_holds_nothing_up()
    {
        var clock = new FakeTimeProvider();
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var never = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = DatagramServer.Create(
            udp => udp
                .OnStopping(deadline =>
                {
                    deadline.UnsafeRegister(_ => cancelled.SetResult(), null);
                    return never.Task;
                })
                .Run(DatagramServer.EchoAsync),
            clock: clock);
        await server.StartAsync();
        var stop = server.StopAsync();
        await DatagramEndpointTests.UntilAsync(() => server.Server.State == ServerState.Stopping);
        Assert.False(cancelled.Task.IsCompleted);
        await AdvanceUntilAsync(clock, stop);
        await cancelled.Task.InTimeAsync();
        Assert.Contains("OnStopping", Assert.Single(server.Log.WithId(Deadline)).Message, StringComparison.Ordinal);
        never.SetResult();
    }

    [Fact]
    public async Task Datagrams_come_in_during_the_drain_delay()
    {
        var clock = new FakeTimeProvider();
        await using var server = DatagramServer.Create(
            udp => udp.Run(DatagramServer.EchoAsync), new() { ["Peregrine:DrainDelay"] = "00:00:05" }, clock);
        await server.StartAsync();
        using var client = server.Datagrams.CreateClient();
        var stop = server.StopAsync();
        await DatagramEndpointTests.UntilAsync(() => server.Server.State == ServerState.Draining);
        client.Send("still"u8, server.AddressOf());
        Assert.Equal("still", await client.ReceiveTextAsync());
        await AdvanceUntilAsync(clock, stop);
    }

    [Fact]
    public async Task A_suspension_that_waits_for_a_handler_does_not_hold_the_stop_up()
    {
        var clock = new FakeTimeProvider();
        var handling = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var never = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = DatagramServer.Create(
            udp => udp.Run(async (_, _) =>
            {
                handling.TrySetResult();
                await never.Task;
            }),
            clock: clock);
        await server.StartAsync();
        using var client = server.Datagrams.CreateClient();
        client.Send([], server.AddressOf());
        await handling.Task.InTimeAsync();
        var suspended = server.Server.Endpoints[0].SuspendAsync();
        var stop = server.StopAsync();
        await AdvanceUntilAsync(clock, stop);
        Assert.False(suspended.IsCompleted);
        never.SetResult();
        await suspended.InTimeAsync();
    }

    [Fact]
    public async Task Connections_and_datagrams_stop_together()
    {
        await using var server = new TestServer(builder => builder
            .Listen("tcp", "tcp://127.0.0.1:0", tcp => tcp.Run(Handlers.EchoAsync))
            .ListenUdp("udp", "udp://127.0.0.1:0", udp => udp.Run(DatagramServer.EchoAsync)));
        await server.StartAsync();
        var stream = await server.ConnectAsync();
        await stream.SendAsync("x");
        Assert.Equal("x", await stream.ReceiveAsync(1));
        await server.StopAsync();
        Assert.Equal("", await stream.ReceiveToEndAsync());
        Assert.Single(server.Log.WithId(Stopped));
        Assert.Single(server.Log.WithId(DatagramsStopped));
    }

    private static async Task AdvanceUntilAsync(FakeTimeProvider clock, Task stop)
    {
        for (var i = 0; i < 400 && !stop.IsCompleted; i++)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }

        await stop.InTimeAsync();
    }
}
