using System.Net;
using System.Threading.Channels;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Tests.Datagrams;

public sealed class DatagramStopTests
{
    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_stop_handles_what_is_queued_and_receives_no_more(TestedDatagrams tested)
    {
        const int Sent = 1000;
        await using var server = await tested.BindAsync();
        var counters = new DatagramCounters();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var handled = 0;
        server.Start(
            async (batch, sender) =>
            {
                entered.TrySetResult();
                await gate.Task;
                handled += batch.Count;
                foreach (var datagram in batch.AsSpan().ToArray())
                {
                    sender.TrySend(datagram.Payload.Span, datagram.Path);
                }
            },
            counters);
        using var peer = new Peer(server.LocalEndPoint);
        peer.Send("0"u8);
        await entered.Task.Bounded();
        for (var i = 1; i < Sent; i++)
        {
            peer.Send(i % 10 == 0 ? [] : "x"u8);
        }

        var stop = server.StopReceivingAsync(default).AsTask();
        Assert.False(stop.IsCompleted);
        gate.SetResult();
        await stop.Bounded();
        Assert.Equal(Sent, handled);
        for (var i = 0; i < Sent; i++)
        {
            await peer.ReceiveAsync();
        }

        peer.Send("late"u8);
        await server.StopReceivingAsync(default).Bounded();
        Assert.Equal(Sent, counters.Received);
        Assert.True(server.Sender.TrySend("goodbye"u8, new DatagramPath(peer.Address)));
        Assert.Equal("goodbye"u8.ToArray(), (await peer.ReceiveAsync()).Payload);
    }

    [LinuxFact]
    public async Task A_stop_handles_what_the_kernel_has_put_together()
    {
        const int Trains = 20;
        const int OfATrain = 64;
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(options => options.BatchSize = 1);
        var counters = new DatagramCounters();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Start(
            async (batch, sender) =>
            {
                entered.TrySetResult();
                await gate.Task;
            },
            counters);
        using var peer = new Peer(server.LocalEndPoint);
        peer.Send("0"u8);
        await entered.Task.Bounded();
        RawOption.Segment.Set(peer.Socket, 1);
        for (var i = 0; i < Trains; i++)
        {
            peer.Send(new byte[OfATrain]);
        }

        var stop = server.StopReceivingAsync(default).AsTask();
        gate.SetResult();
        await stop.Bounded();
        Assert.Equal(1 + (Trains * OfATrain), counters.Received);
        Assert.Equal(0, counters.AllDropped());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_flood_does_not_hold_up_a_stop(TestedDatagrams tested)
    {
        await using var server = await tested.BindAsync();
        server.Start((_, _) => default, new DatagramCounters());
        using var peer = new Peer(server.LocalEndPoint);
        using var end = new CancellationTokenSource();
        var flood = Task.Run(() =>
        {
            while (!end.IsCancellationRequested)
            {
                peer.Send("flood"u8);
            }
        });
        await Task.Yield();
        await server.StopReceivingAsync(default).Bounded();
        await end.CancelAsync();
        await flood.Bounded();
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task What_comes_after_a_stop_is_not_told_as_a_buffer_that_is_too_small(TestedDatagrams tested)
    {
        await using var server = await tested.BindAsync(options => options.Socket.ReceiveBufferSizeInBytes = 1);
        var counters = new DatagramCounters();
        server.Start(TestedDatagramsExtensions.Echo, counters);
        await server.StopReceivingAsync(default).Bounded();
        using var peer = new Peer(server.LocalEndPoint);
        for (var i = 0; i < 100; i++)
        {
            peer.Send(new byte[1000]);
        }

        server.CountKernelDrops();
        await server.StopReceivingAsync(default).Bounded();
        await server.DisposeAsync();
        Assert.Equal(0, counters.AllDropped());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task At_the_deadline_what_is_left_is_counted(TestedDatagrams tested)
    {
        await using var server = await tested.BindAsync(options => options.BatchSize = 4);
        var counters = new DatagramCounters();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Start(
            async (batch, sender) =>
            {
                entered.TrySetResult();
                await gate.Task;
            },
            counters);
        using var peer = new Peer(server.LocalEndPoint);
        peer.Send("held"u8);
        await entered.Task.Bounded();
        for (var i = 0; i < 100; i++)
        {
            peer.Send("x"u8);
        }

        using var deadline = new CancellationTokenSource();
        var stop = server.StopReceivingAsync(deadline.Token).AsTask();
        Assert.False(stop.IsCompleted);
        await deadline.CancelAsync();
        await stop.Bounded();
        gate.SetResult();
        await server.StopReceivingAsync(default).Bounded();
        Assert.Equal(101, counters.Received);
        Assert.Equal(100, counters.GetDropped(DatagramDropReason.Stopping));
    }

    [LinuxTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Everything_that_was_received_is_counted_when_a_handler_does_not_end(bool isDisposed)
    {
        const int Trains = 20;
        const int OfATrain = 64;
        const int OfABatch = 256;
        var server = await TestedDatagrams.ThreadPool.BindAsync();
        var counters = new DatagramCounters();
        var batches = Channel.CreateUnbounded<int>();
        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var second = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Start(
            async (batch, sender) =>
            {
                batches.Writer.TryWrite(batch.Count);
                await (batch.Count == 1 ? first : second).Task;
            },
            counters);
        using var peer = new Peer(server.LocalEndPoint);
        peer.Send("0"u8);
        Assert.Equal(1, await batches.Reader.ReadAsync().Bounded());
        RawOption.Segment.Set(peer.Socket, 1);
        for (var i = 0; i < Trains; i++)
        {
            peer.Send(new byte[OfATrain]);
        }

        first.SetResult();
        Assert.Equal(OfABatch, await batches.Reader.ReadAsync().Bounded());
        var queued = isDisposed ? 0 : 10 * Trains;
        for (var i = 0; i < queued; i++)
        {
            peer.Send(new byte[OfATrain]);
        }

        await (isDisposed ? server.DisposeAsync() : server.StopReceivingAsync(new CancellationToken(canceled: true))).Bounded();
        var received = 1 + ((Trains + queued) * OfATrain);
        Assert.Equal(received, counters.Received);
        Assert.Equal(received - 1 - OfABatch, counters.GetDropped(DatagramDropReason.Stopping));

        second.SetResult();
        await server.StopReceivingAsync(default).Bounded();
        await server.DisposeAsync();
        Assert.Equal(received, counters.Received);
        Assert.Equal(received - 1 - OfABatch, counters.AllDropped());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_disposal_in_the_middle_of_everything_ends_everything(TestedDatagrams tested)
    {
        for (var round = 0; round < 30; round++)
        {
            var log = new RecordedLog();
            var address = new IPEndPoint(IPAddress.Loopback, FreePorts.Take(IPAddress.Loopback));
            var server = await tested.BindAsync(options => options.Listeners = OperatingSystem.IsLinux() ? 2 : 1, address, log);
            var counters = new DatagramCounters();
            server.Start(TestedDatagramsExtensions.Echo, counters);
            using var end = new CancellationTokenSource();
            var floods = Enumerable.Range(0, 2).Select(_ => Task.Run(async () =>
            {
                using var peer = new Peer(server.LocalEndPoint);
                var path = new DatagramPath(peer.Address);
                while (!end.IsCancellationRequested)
                {
                    peer.Send("flood"u8);
                    try
                    {
                        await server.Sender.SendAsync("outside"u8.ToArray(), path, cancellationToken: end.Token);
                    }
                    catch (ObjectDisposedException)
                    {
                        break;
                    }
                }
            })).ToList();
            while (counters.Received < 100 * round)
            {
                await Task.Yield();
            }

            var stop = round % 2 == 0 ? server.StopReceivingAsync(default).AsTask() : Task.CompletedTask;
            await Task.WhenAll(Task.Run(async () => await server.DisposeAsync()), Task.Run(async () => await server.DisposeAsync())).Bounded();
            await stop.Bounded();
            await Task.WhenAll(floods).Bounded();
            await end.CancelAsync();
            server.CountKernelDrops();
            Assert.Empty(log.WithId(9));
            Assert.Empty(log.WithId(21));
            await using var next = await tested.BindAsync(address: address);
        }
    }

    [Fact]
    public async Task What_was_never_started_is_stopped_and_disposed_all_the_same()
    {
        foreach (var tested in (TestedDatagrams[])[TestedDatagrams.OneByOne, TestedDatagrams.ThreadPool])
        {
            var server = await tested.BindAsync();
            server.CountKernelDrops();
            await server.StopReceivingAsync(default).Bounded();
            await server.DisposeAsync().Bounded();
        }
    }
}
