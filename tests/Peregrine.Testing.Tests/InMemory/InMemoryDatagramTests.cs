using System.Net;
using System.Text;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Testing.Tests.InMemory;

public sealed class InMemoryDatagramTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);
    private static readonly IPEndPoint AnyPort = new(IPAddress.Loopback, 0);

    private readonly DatagramCounters _counters = new();

    [Fact]
    public async Task Boundaries_order_and_addresses_are_kept_both_ways()
    {
        using var pool = new LeakCheckingMemoryPool();
        var transport = new InMemoryDatagramTransport(new InMemoryDatagramOptions { Pool = pool });
        await using (var socket = await transport.BindAsync(new IPEndPoint(IPAddress.IPv6Any, 0)))
        {
            socket.Start(EchoAsync, _counters);
            using var client = transport.CreateClient(new IPEndPoint(IPAddress.Parse("192.0.2.7"), 4_000));
            var to = new DatagramAddress(new IPEndPoint(IPAddress.Parse("198.51.100.1"), ((IPEndPoint)socket.LocalEndPoint).Port));
            string[] sent = ["one", "", "three"];
            foreach (var text in sent)
            {
                Assert.True(client.Send(Encoding.ASCII.GetBytes(text), to));
            }

            foreach (var text in sent)
            {
                var answer = await ReceiveAsync(client);
                Assert.Equal(text, Encoding.ASCII.GetString(answer.Payload.Span));
                Assert.Equal(to, answer.RemoteAddress);
                Assert.Equal(client.Address, answer.LocalAddress);
            }

            await socket.StopReceivingAsync(CancellationToken.None);
            Assert.Equal((3, 8, 3, 8), (_counters.Received, _counters.ReceivedBytes, _counters.Sent, _counters.SentBytes));
        }

        await pool.WhenAllReturnedAsync(Limit);
    }

    [Fact]
    public async Task A_full_queue_drops_and_received_and_dropped_are_all_that_was_sent()
    {
        var transport = new InMemoryDatagramTransport(new InMemoryDatagramOptions { ReceiveQueueLength = 10, BatchSize = 4 });
        await using var socket = await transport.BindAsync(AnyPort);
        var to = new DatagramAddress((IPEndPoint)socket.LocalEndPoint);
        using var client = transport.CreateClient();
        for (var i = 0; i < 100; i++)
        {
            Assert.True(client.Send([(byte)i], to));
        }

        var handled = new List<byte>();
        socket.Start(
            (batch, _) =>
            {
                Assert.InRange(batch.Count, 1, 4);
                foreach (ref readonly var datagram in batch)
                {
                    handled.Add(datagram.Payload.Span[0]);
                }

                return default;
            },
            _counters);
        await socket.StopReceivingAsync(CancellationToken.None);
        Assert.Equal(Enumerable.Range(0, 10).Select(number => (byte)number), handled);
        Assert.Equal(0, _counters.GetDropped(DatagramDropReason.ReceiveBufferFull));
        socket.CountKernelDrops();
        socket.CountKernelDrops();
        Assert.Equal(90, _counters.GetDropped(DatagramDropReason.ReceiveBufferFull));
        Assert.False(client.Send([0], to));
    }

    [Fact]
    public async Task A_handler_that_throws_costs_its_batch_and_nothing_else()
    {
        var transport = new InMemoryDatagramTransport(new InMemoryDatagramOptions { BatchSize = 1 });
        await using var socket = await transport.BindAsync(AnyPort);
        var to = new DatagramAddress((IPEndPoint)socket.LocalEndPoint);
        using var client = transport.CreateClient();
        client.Send("bad"u8, to);
        client.Send("good"u8, to);
        socket.Start(
            (batch, sender) => batch[0].Payload.Length == 3 ? throw new InvalidOperationException() : EchoAsync(batch, sender),
            _counters);
        Assert.Equal(4, (await ReceiveAsync(client)).Payload.Length);
        Assert.Equal(1, _counters.GetDropped(DatagramDropReason.HandlerFailed));
    }

    [Fact]
    public async Task What_is_queued_at_the_deadline_is_dropped_and_counted()
    {
        using var pool = new LeakCheckingMemoryPool();
        var transport = new InMemoryDatagramTransport(new InMemoryDatagramOptions { BatchSize = 1, Pool = pool });
        await using var socket = await transport.BindAsync(AnyPort);
        var to = new DatagramAddress((IPEndPoint)socket.LocalEndPoint);
        using var client = transport.CreateClient();
        var handling = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var finish = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        socket.Start(
            async (_, _) =>
            {
                handling.TrySetResult();
                await finish.Task;
            },
            _counters);
        for (var i = 0; i < 5; i++)
        {
            client.Send([0], to);
        }

        await handling.Task.WaitAsync(Limit);
        using var deadline = new CancellationTokenSource();
        var stop = socket.StopReceivingAsync(deadline.Token).AsTask();
        Assert.False(stop.IsCompleted);
        await deadline.CancelAsync();
        await stop.WaitAsync(Limit);
        Assert.Equal(4, _counters.GetDropped(DatagramDropReason.Stopping));
        Assert.Equal(5, _counters.Received);
        finish.SetResult();
        await pool.WhenAllReturnedAsync(Limit);
    }

    [Fact]
    public async Task A_congested_network_makes_senders_queue_refuse_and_wait()
    {
        var transport = new InMemoryDatagramTransport(new InMemoryDatagramOptions { SendQueueLength = 2 });
        await using var socket = await transport.BindAsync(AnyPort);
        socket.Start((_, _) => default, _counters);
        using var client = transport.CreateClient();
        var path = new DatagramPath(client.Address);
        transport.IsCongested = true;
        Assert.True(socket.Sender.TrySend("1"u8, path));
        Assert.True(socket.Sender.TrySend("2"u8, path));
        Assert.False(socket.Sender.TrySend("lost"u8, path));
        var waiting = socket.Sender.SendAsync("3"u8.ToArray(), path).AsTask();
        var flush = socket.Sender.FlushAsync().AsTask();
        using var canceled = new CancellationTokenSource();
        var given = socket.Sender.SendAsync("never"u8.ToArray(), path, default, canceled.Token).AsTask();
        await canceled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given);
        Assert.False(waiting.IsCompleted || flush.IsCompleted || client.TryReceive(out _));

        transport.IsCongested = false;
        await waiting.WaitAsync(Limit);
        await flush.WaitAsync(Limit);
        for (var i = 1; i <= 3; i++)
        {
            Assert.Equal((byte)('0' + i), (await ReceiveAsync(client)).Payload.Span[0]);
        }

        Assert.False(client.TryReceive(out _));
        Assert.Equal((3, 1), (_counters.Sent, _counters.GetDropped(DatagramDropReason.SendQueueFull)));
    }

    [Fact]
    public async Task What_cannot_arrive_is_counted_and_what_cannot_be_sent_is_refused()
    {
        var transport = new InMemoryDatagramTransport(new InMemoryDatagramOptions { ReceiveQueueLength = 1 });
        var socket = await transport.BindAsync(AnyPort);
        socket.Start((_, _) => default, _counters);
        Assert.True(socket.Sender.TrySend("?"u8, new DatagramPath(new DatagramAddress(0x7F000001, 1))));
        Assert.Equal(1, _counters.GetDropped(DatagramDropReason.SendUnreachable));

        using var client = transport.CreateClient();
        var path = new DatagramPath(client.Address);
        Assert.True(socket.Sender.TrySend(new byte[65_507], path));
        Assert.True(socket.Sender.TrySend("more"u8, path));
        Assert.Equal(1, client.Dropped);
        Assert.Throws<ArgumentOutOfRangeException>(() => socket.Sender.TrySend(new byte[65_508], path));
        Assert.Throws<ArgumentOutOfRangeException>(() => socket.Sender.TrySend([], path, new DatagramMarks(Dscp: 64)));
        Assert.Throws<ArgumentOutOfRangeException>(() => socket.Sender.TrySend([], path, new DatagramMarks(TimeToLive: 0)));

        transport.IsCongested = true;
        Assert.True(socket.Sender.TrySend("queued"u8, path));
        await socket.DisposeAsync();
        Assert.Equal(1, _counters.GetDropped(DatagramDropReason.SendFailed));
        Assert.Throws<ObjectDisposedException>(() => socket.Sender.TrySend([], path));
    }

    [Fact]
    public async Task An_address_has_one_owner_and_is_free_again_when_it_is_given_up()
    {
        var transport = new InMemoryDatagramTransport();
        var socket = await transport.BindAsync(AnyPort);
        var address = (IPEndPoint)socket.LocalEndPoint;
        await Assert.ThrowsAsync<AddressInUseException>(() => transport.BindAsync(address).AsTask());
        Assert.Throws<AddressInUseException>(() => transport.CreateClient(address));
        await Assert.ThrowsAsync<ArgumentException>(() => transport.BindAsync(new DnsEndPoint("localhost", 1)).AsTask());
        await socket.DisposeAsync();
        transport.CreateClient(address).Dispose();
        await (await transport.BindAsync(address)).DisposeAsync();
    }

    private static ValueTask EchoAsync(DatagramBatch batch, DatagramSender sender)
    {
        foreach (ref readonly var datagram in batch)
        {
            Assert.True(sender.TrySend(datagram.Payload.Span, datagram.Path));
        }

        return default;
    }

    private static Task<Datagram> ReceiveAsync(InMemoryDatagramClient client) => client.ReceiveAsync().AsTask().WaitAsync(Limit);
}
