using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Sockets.Datagrams;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Tests.Datagrams;

public sealed class SendQueueTests
{
    private const int WouldBlock = 11;
    private const int TooLong = 90;
    private const int Unreachable = 101;
    private const int NoBuffers = 105;
    private const int Refused = 111;

    [LinuxFact]
    public async Task A_full_queue_drops_counts_and_waits_until_the_kernel_takes_more()
    {
        var isFull = true;
        var sent = new SentMessages { Fail = () => Volatile.Read(ref isFull) ? WouldBlock : 0 };
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(options =>
        {
            options.Calls = sent.Calls;
            options.MaxQueuedDatagrams = 100;
        });
        var counters = new DatagramCounters();
        server.Start(TestedDatagramsExtensions.Echo, counters);
        using var peer = new Peer(server.LocalEndPoint);
        var path = new DatagramPath(peer.Address);
        var queued = 0;
        while (server.Sender.TrySend(BitConverter.GetBytes(queued), path))
        {
            queued++;
        }

        Assert.Equal(100, queued);
        Assert.Equal(1, counters.GetDropped(DatagramDropReason.SendQueueFull));
        var waiting = server.Sender.SendAsync(BitConverter.GetBytes(100), path).AsTask();
        var flushing = server.Sender.FlushAsync().AsTask();
        using var cancellation = new CancellationTokenSource();
        var cancelled = server.Sender.SendAsync("never"u8.ToArray(), path, cancellationToken: cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.Bounded());
        Assert.False(waiting.IsCompleted);
        Assert.False(flushing.IsCompleted);
        Volatile.Write(ref isFull, false);
        await waiting.Bounded();
        await flushing.Bounded();
        for (var i = 0; i <= 100; i++)
        {
            Assert.Equal(i, BitConverter.ToInt32((await peer.ReceiveAsync()).Payload));
        }

        await server.Sender.FlushAsync().Bounded(); // A datagram arrives before it is counted.
        Assert.Equal(101, counters.Sent);
    }

    [LinuxFact]
    public async Task Memory_that_is_short_is_waited_for_by_the_clock()
    {
        var clock = new FakeTimeProvider();
        var calls = 0;
        var sent = new SentMessages { Fail = () => Interlocked.Increment(ref calls) <= 2 ? NoBuffers : 0 };
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(options =>
        {
            options.Calls = sent.Calls;
            options.TimeProvider = clock;
        });
        var counters = new DatagramCounters();
        server.Start(TestedDatagramsExtensions.Echo, counters);
        using var peer = new Peer(server.LocalEndPoint);
        server.Sender.TrySend("later"u8, new DatagramPath(peer.Address));
        var flush = server.Sender.FlushAsync().AsTask();
        Assert.Equal(1, Volatile.Read(ref calls));
        clock.Advance(TimeSpan.FromMilliseconds(4));
        Assert.Equal(1, Volatile.Read(ref calls));
        clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(2, Volatile.Read(ref calls));
        clock.Advance(TimeSpan.FromMilliseconds(10));
        await flush.Bounded();
        Assert.Equal("later"u8.ToArray(), (await peer.ReceiveAsync()).Payload);
    }

    [LinuxTheory]
    [InlineData(TooLong, DatagramDropReason.SendTooLarge)]
    [InlineData(Unreachable, DatagramDropReason.SendUnreachable)]
    [InlineData(113, DatagramDropReason.SendUnreachable)]
    [InlineData(1, DatagramDropReason.SendRefused)]
    [InlineData(13, DatagramDropReason.SendRefused)]
    [InlineData(99, DatagramDropReason.SendFailed)]
    public async Task An_error_costs_its_datagram_only(int errno, DatagramDropReason reason)
    {
        var calls = 0;
        var sent = new SentMessages { Fail = () => Interlocked.Increment(ref calls) == 1 ? errno : 0 };
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(options => options.Calls = sent.Calls);
        var counters = new DatagramCounters();
        using var peer = new Peer(server.LocalEndPoint);
        server.Start(
            (batch, sender) =>
            {
                for (var i = 0; i < 3; i++)
                {
                    sender.TrySend(new byte[i + 1], batch[0].Path);
                }

                return default;
            },
            counters);
        peer.Send("go"u8);
        Assert.Equal(2, (await peer.ReceiveAsync()).Payload.Length);
        Assert.Equal(3, (await peer.ReceiveAsync()).Payload.Length);
        await server.Sender.FlushAsync().Bounded(); // A datagram arrives before it is counted.
        Assert.Equal(1, counters.GetDropped(reason));
        Assert.Equal(2, counters.Sent);
    }

    [LinuxFact]
    public async Task An_error_of_an_earlier_datagram_costs_a_connected_socket_nothing()
    {
        var calls = 0;
        var sent = new SentMessages { Fail = () => Interlocked.Increment(ref calls) % 2 == 1 ? Refused : 0 };
        await using var server = await TestedDatagrams.ThreadPool.BindAsync();
        server.Start(TestedDatagramsExtensions.Echo, new DatagramCounters());
        await using var client = await TestedDatagrams.ThreadPool.Transport(options => options.Calls = sent.Calls).ConnectAsync(server.LocalEndPoint);
        var counters = new DatagramCounters();
        var inbox = new Inbox();
        client.Start(inbox.OnDatagramsAsync, counters);
        for (var i = 0; i < 10; i++)
        {
            client.Sender.TrySend([(byte)i], default);
            Assert.Equal(i, Assert.Single((await inbox.NextAsync()).Payload));
        }

        await client.Sender.FlushAsync().Bounded(); // A datagram arrives before it is counted.
        Assert.Equal(10, counters.Sent);
        Assert.Equal(0, counters.AllDropped());
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Many_threads_send_and_each_ones_order_stays(TestedDatagrams tested)
    {
        const int Threads = 4;
        const int Each = 2000;
        await using var server = await tested.BindAsync(options => options.MaxQueuedDatagrams = 64);
        var counters = new DatagramCounters();
        server.Start(TestedDatagramsExtensions.Echo, counters);
        using var peer = new Peer(server.LocalEndPoint);
        var path = new DatagramPath(peer.Address);
        var sending = Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(async () =>
        {
            for (var i = 0; i < Each; i++)
            {
                await server.Sender.SendAsync(BitConverter.GetBytes((thread << 16) | i), path);
            }
        })));
        var next = new int[Threads];
        var buffer = new byte[16];
        for (var i = 0; i < Threads * Each; i++)
        {
            await peer.Socket.ReceiveAsync(buffer).Bounded();
            var number = BitConverter.ToInt32(buffer);
            Assert.Equal(next[number >> 16]++, number & 0xFFFF);
        }

        await sending.Bounded();
        await server.Sender.FlushAsync().Bounded(); // A datagram arrives before it is counted.
        Assert.Equal(Threads * Each, counters.Sent);
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task What_is_queued_behind_an_await_is_sent_before_the_handler_ends(TestedDatagrams tested)
    {
        await using var server = await tested.BindAsync();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Start(
            async (batch, sender) =>
            {
                var path = batch[0].Path;
                sender.TrySend("1"u8, path);
                await gate.Task;
                sender.TrySend("2"u8, path);
                await end.Task;
                sender.TrySend("3"u8, path);
            },
            new DatagramCounters());
        using var peer = new Peer(server.LocalEndPoint);
        peer.Send("go"u8);
        Assert.Equal("1"u8.ToArray(), (await peer.ReceiveAsync()).Payload);
        gate.SetResult();
        Assert.Equal("2"u8.ToArray(), (await peer.ReceiveAsync()).Payload);
        end.SetResult();
        Assert.Equal("3"u8.ToArray(), (await peer.ReceiveAsync()).Payload);
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task What_cannot_be_sent_is_refused_at_once(TestedDatagrams tested)
    {
        await using var server = await tested.BindAsync();
        var path = new DatagramPath(new DatagramAddress(0x7F000001, 9));
        Assert.Equal(65507, server.Sender.MaxPayloadSizeInBytes);
        Assert.Throws<ArgumentOutOfRangeException>(() => server.Sender.TrySend(new byte[65508], path));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => server.Sender.SendAsync(new byte[65508], path).AsTask());
        Assert.Throws<ArgumentOutOfRangeException>(() => server.Sender.TrySend("x"u8, path, new DatagramMarks(Dscp: 64)));
        Assert.Throws<ArgumentOutOfRangeException>(() => server.Sender.TrySend("x"u8, path, new DatagramMarks(Ecn: (EcnCodepoint)4)));
        Assert.Throws<ArgumentOutOfRangeException>(() => server.Sender.TrySend("x"u8, path, new DatagramMarks(TimeToLive: 0)));
        await server.DisposeAsync();
        await server.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => server.Sender.TrySend("x"u8, path));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => server.Sender.SendAsync("x"u8.ToArray(), path).AsTask());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => server.Sender.FlushAsync().AsTask());
    }

    [LinuxFact]
    public async Task A_disposal_sends_what_it_can_counts_the_rest_and_ends_every_wait()
    {
        var isFull = true;
        var sent = new SentMessages { Fail = () => Volatile.Read(ref isFull) ? WouldBlock : 0 };
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(options =>
        {
            options.Calls = sent.Calls;
            options.MaxQueuedDatagrams = 10;
        });
        var counters = new DatagramCounters();
        server.Start(TestedDatagramsExtensions.Echo, counters);
        var path = new DatagramPath(new DatagramAddress(0x7F000001, 9));
        while (server.Sender.TrySend("x"u8, path))
        {
        }

        var waiting = server.Sender.SendAsync("x"u8.ToArray(), path).AsTask();
        var flushing = server.Sender.FlushAsync().AsTask();
        await server.DisposeAsync().Bounded();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.Bounded());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => flushing.Bounded());
        Assert.Equal(10, counters.GetDropped(DatagramDropReason.SendFailed));
    }

    [LinuxFact]
    public async Task A_flush_of_several_sockets_waits_for_what_handlers_have_queued_to_each()
    {
        const int Peers = 32;
        var sent = new BlockedSockets();
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(options =>
        {
            options.Listeners = 2;
            options.Calls = sent.Calls;
        });
        var counters = new DatagramCounters();
        var handled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var count = 0;
        server.Start(
            (batch, sender) =>
            {
                var echoed = TestedDatagramsExtensions.Echo(batch, sender);
                if (Interlocked.Add(ref count, batch.Count) == Peers)
                {
                    handled.SetResult();
                }

                return echoed;
            },
            counters);
        var peers = Enumerable.Range(0, Peers).Select(_ => new Peer(server.LocalEndPoint)).ToList();
        server.Sender.TrySend("first"u8, new DatagramPath(peers[0].Address));
        await server.Sender.FlushAsync().Bounded();
        peers.ForEach(peer => peer.Send("x"u8));
        await handled.Task.Bounded();
        await server.StopReceivingAsync(default).Bounded();
        var flush = server.Sender.FlushAsync().AsTask();
        Assert.False(flush.IsCompleted);
        sent.IsBlocked = false;
        await flush.Bounded();
        Assert.Equal(1 + Peers, counters.Sent);
        peers.ForEach(peer => peer.Dispose());
    }

    /// <summary>Takes nothing but from the socket that sends first.</summary>
    private sealed unsafe class BlockedSockets
    {
        private int _first;

        public BlockedSockets()
        {
            Calls = new DatagramCalls(DatagramCalls.System.Receive, Send);
        }

        public DatagramCalls Calls { get; }

        public volatile bool IsBlocked = true;

        private int Send(int descriptor, DatagramCalls.Message* messages, int count)
        {
            if (count == 0)
            {
                return 0;
            }

            var first = Interlocked.CompareExchange(ref _first, descriptor, 0);
            return IsBlocked && first != 0 && first != descriptor ? -WouldBlock : DatagramCalls.System.Send(descriptor, messages, count);
        }
    }

    [Fact]
    public async Task A_close_waits_for_the_call_of_another_thread_so_that_nothing_is_counted_twice()
    {
        var counters = new DatagramCounters();
        var transmission = new TransmissionOfTwo();
        var sender = new QueuedSender(transmission, new DatagramTransportOptions(), NullLogger.Instance);
        sender.CountIn(counters);
        sender.BeginBatch();
        Assert.True(sender.TrySend("x"u8, new DatagramPath(new DatagramAddress(0x7F000001, 9))));
        var closing = new Task(sender.Close);
        transmission.Closing = closing;
        closing.Start(TaskScheduler.Default);
        await closing.Bounded();
        await transmission.Sending.Bounded();
        Assert.Equal(1, counters.Sent);
        Assert.Equal(0, counters.AllDropped());
    }

    /// <summary>Takes nothing at the first call; while its caller is told so, another thread makes the second, which takes everything.</summary>
    private sealed class TransmissionOfTwo : ITransmission
    {
        private readonly TaskCompletionSource _isInside = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _calls;

        public Task Closing { get; set; } = Task.CompletedTask;

        public Task Sending { get; private set; } = Task.CompletedTask;

        public int LargestSegment => 0;

        public bool IsConnected => false;

        public int MostMessages => 2;

        public void Prepare(int index, in OutgoingMessage message, SendRing ring)
        {
        }

        public Transmitted Transmit(int count)
        {
            if (Interlocked.Increment(ref _calls) == 1)
            {
                return new Transmitted(0, SendError.WouldBlock);
            }

            // A close that does not wait for this is over soon.
            _isInside.SetResult();
            Closing.Wait(TimeSpan.FromMilliseconds(200));
            return new Transmitted(count);
        }

        public void WaitForRoom(QueuedSender sender)
        {
            Sending = Task.Run(sender.OnRoom);
            _isInside.Task.Wait(TimeSpan.FromSeconds(10));
        }

        public int? GetPathMtu(in DatagramPath path) => null;
    }
}
