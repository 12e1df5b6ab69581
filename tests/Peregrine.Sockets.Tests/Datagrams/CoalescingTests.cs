using System.Net;
using System.Net.Sockets;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Tests.Datagrams;

/// <summary>Datagrams that the kernel hands over, or takes, as one (UDP_GRO, UDP_SEGMENT).</summary>
public sealed class CoalescingTests
{
    [LinuxTheory]
    [InlineData(1000, 64, 64)]
    [InlineData(1200, 40, 7)]
    [InlineData(1, 2, 1)]
    [InlineData(32000, 2, 1507)]
    public async Task What_the_kernel_cuts_arrives_as_it_was_before(int size, int count, int last)
    {
        await using var server = await TestedDatagrams.ThreadPool.BindAsync();
        var inbox = new Inbox();
        server.Start(inbox.OnDatagramsAsync, new DatagramCounters());
        using var peer = new Peer(server.LocalEndPoint);
        RawOption.Segment.Set(peer.Socket, size);
        var payload = new byte[((count - 1) * size) + last];
        Random.Shared.NextBytes(payload);
        peer.Send(payload);
        for (var i = 0; i < count; i++)
        {
            var (received, datagram) = await inbox.NextAsync();
            Assert.Equal(payload[(i * size)..Math.Min((i + 1) * size, payload.Length)], received);
            Assert.Equal(peer.Address, datagram.RemoteAddress);
        }
    }

    [LinuxFact]
    public async Task A_batch_is_cut_where_the_kernel_has_put_too_much_together()
    {
        await using var server = await TestedDatagrams.ThreadPool.BindAsync();
        var inbox = new Inbox();
        var gate = new TaskCompletionSource();
        server.Start(
            async (batch, sender) =>
            {
                await inbox.OnDatagramsAsync(batch, sender);
                await gate.Task;
            },
            new DatagramCounters());
        using var peer = new Peer(server.LocalEndPoint);
        peer.Send("first"u8);
        await inbox.NextAsync();
        RawOption.Segment.Set(peer.Socket, 4);
        for (var i = 0; i < 20; i++)
        {
            peer.Send(Enumerable.Range(i * 64, 64).SelectMany(BitConverter.GetBytes).ToArray());
        }

        gate.SetResult();
        for (var i = 0; i < 20 * 64; i++)
        {
            Assert.Equal(i, BitConverter.ToInt32((await inbox.NextAsync()).Payload));
        }

        Assert.InRange(inbox.BatchSizes.Max(), 65, 256);
    }

    [LinuxFact]
    public async Task Longer_segments_than_allowed_are_dropped_and_counted()
    {
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(options => options.MaxDatagramSizeInBytes = 999);
        var inbox = new Inbox();
        var counters = new DatagramCounters();
        server.Start(inbox.OnDatagramsAsync, counters);
        using var peer = new Peer(server.LocalEndPoint);
        RawOption.Segment.Set(peer.Socket, 1000);
        peer.Send(new byte[10_999]);
        Assert.Equal(999, (await inbox.NextAsync()).Payload.Length);
        Assert.Equal(10, counters.GetDropped(DatagramDropReason.Truncated));
        Assert.Equal(11, counters.Received);
    }

    [LinuxFact]
    public async Task Datagrams_of_one_length_to_one_peer_leave_as_one()
    {
        var sent = new SentMessages();
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(options => options.Calls = sent.Calls);
        var counters = new DatagramCounters();
        server.Start(
            (batch, sender) =>
            {
                foreach (var length in (int[])[100, 100, 100, 50, 100, 0, 100, 100, 200])
                {
                    sender.TrySend(Enumerable.Repeat((byte)length, length).ToArray(), batch[0].Path);
                }

                return default;
            },
            counters);
        using var peer = new Peer(server.LocalEndPoint);
        peer.Send("go"u8);
        foreach (var length in (int[])[100, 100, 100, 50, 100, 0, 100, 100, 200])
        {
            var (payload, _) = await peer.ReceiveAsync();
            Assert.Equal(Enumerable.Repeat((byte)length, length).ToArray(), payload);
        }

        await server.Sender.FlushAsync().Bounded(); // A datagram arrives before it is counted.
        Assert.Equal([350, 100, 0, 200, 200], sent.Lengths);
        Assert.Equal(9, counters.Sent);
        Assert.Equal(850, counters.SentBytes);
    }

    [LinuxTheory]
    [InlineData(5)] // EIO: the card cannot.
    [InlineData(22)] // EINVAL: a sandbox does not know it.
    public async Task Where_it_is_refused_everything_is_sent_one_by_one(int errno)
    {
        var sent = new SentMessages { RefuseSegmented = errno };
        var log = new RecordedLog();
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(options => options.Calls = sent.Calls, log: log);
        var counters = new DatagramCounters();
        server.Start(SendNumbers, counters);
        using var peer = new Peer(server.LocalEndPoint);
        for (var round = 0; round < 3; round++)
        {
            peer.Send("go"u8);
            await ExpectNumbers(peer);
        }

        await server.Sender.FlushAsync().Bounded(); // A datagram arrives before it is counted.
        Assert.Equal(300, counters.Sent);
        Assert.Equal(0, counters.AllDropped());
        Assert.Equal(1, sent.Refused);
        Assert.Single(log.WithId(24));
    }

    [LinuxFact]
    public async Task A_peer_that_cannot_be_sent_to_does_not_end_it()
    {
        var sent = new SentMessages();
        var log = new RecordedLog();
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(options => options.Calls = sent.Calls, log: log);
        var counters = new DatagramCounters();
        server.Start(SendNumbers, counters);
        using var peer = new Peer(server.LocalEndPoint);
        for (var i = 0; i < 3; i++)
        {
            // Port zero, as a forged datagram has it: EINVAL, together and alone.
            server.Sender.TrySend("a"u8, new DatagramPath(peer.Address.WithPort(0)));
        }

        await server.Sender.FlushAsync().Bounded();
        Assert.Equal(3, counters.GetDropped(DatagramDropReason.SendFailed));
        peer.Send("go"u8);
        await ExpectNumbers(peer);
        await server.Sender.FlushAsync().Bounded(); // A datagram arrives before it is counted.
        Assert.Empty(log.WithId(24));
        Assert.Contains(256, sent.Lengths);
    }

    [LinuxFact]
    public async Task Longer_ones_than_the_path_takes_are_not_put_together_any_more()
    {
        var sent = new SentMessages { RefuseSegmented = 22, RefuseAbove = 2000 };
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(options => options.Calls = sent.Calls);
        var counters = new DatagramCounters();
        var length = 3000;
        server.Start(
            (batch, sender) =>
            {
                for (var i = 0; i < 4; i++)
                {
                    sender.TrySend(new byte[length], batch[0].Path);
                }

                return default;
            },
            counters);
        using var peer = new Peer(server.LocalEndPoint);
        foreach (var (next, refused) in ((int, int)[])[(3000, 1), (3000, 1), (1000, 1), (2500, 2), (2500, 2)])
        {
            length = next;
            peer.Send("go"u8);
            for (var i = 0; i < 4; i++)
            {
                Assert.Equal(next, (await peer.ReceiveAsync()).Payload.Length);
            }

            Assert.Equal(refused, sent.Refused);
        }

        await server.Sender.FlushAsync().Bounded(); // A datagram arrives before it is counted.
        Assert.Equal(20, counters.Sent);
    }

    private static ValueTask SendNumbers(DatagramBatch batch, DatagramSender sender)
    {
        for (var i = 0; i < 100; i++)
        {
            sender.TrySend(BitConverter.GetBytes(i), batch[0].Path);
        }

        return default;
    }

    private static async Task ExpectNumbers(Peer peer)
    {
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(i, BitConverter.ToInt32((await peer.ReceiveAsync()).Payload));
        }
    }
}
