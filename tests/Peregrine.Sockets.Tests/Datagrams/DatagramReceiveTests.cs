using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using Peregrine.Sockets.EventLoops;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Tests.Datagrams;

public sealed class DatagramReceiveTests
{
    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task Longer_datagrams_than_allowed_are_dropped_and_counted(TestedDatagrams tested)
    {
        await using var server = await tested.BindAsync(options => options.MaxDatagramSizeInBytes = 100);
        var counters = new DatagramCounters();
        var inbox = new Inbox();
        server.Start(inbox.OnDatagramsAsync, counters);
        using var peer = new Peer(server.LocalEndPoint);
        peer.Send(new byte[101]);
        peer.Send(new byte[100]);
        peer.Send(new byte[5000]);
        peer.Send(new byte[1]);
        Assert.Equal(100, (await inbox.NextAsync()).Payload.Length);
        Assert.Single((await inbox.NextAsync()).Payload);
        Assert.Equal(2, counters.GetDropped(DatagramDropReason.Truncated));
        Assert.Equal(4, counters.Received);
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task An_exception_of_a_handler_costs_its_batch_and_is_logged_once(TestedDatagrams tested)
    {
        var log = new RecordedLog();
        await using var server = await tested.BindAsync(options => options.BatchSize = 1, log: log);
        var counters = new DatagramCounters();
        server.Start(
            async (batch, sender) =>
            {
                var text = batch[0].Payload.Span[0];
                if (text == 'a')
                {
                    throw new InvalidOperationException("at once");
                }

                sender.TrySend(batch[0].Payload.Span, batch[0].Path);
                if (text == 'b')
                {
                    await Task.Yield();
                    throw new InvalidOperationException("later");
                }
            },
            counters);
        using var peer = new Peer(server.LocalEndPoint);
        foreach (var text in "abxab")
        {
            peer.Send([(byte)text]);
        }

        foreach (var expected in "bxb")
        {
            Assert.Equal(expected, (char)Assert.Single((await peer.ReceiveAsync()).Payload));
        }

        await server.StopReceivingAsync(default).Bounded();
        Assert.Equal(4, counters.GetDropped(DatagramDropReason.HandlerFailed));
        Assert.Single(log.WithId(21));
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_slow_handler_has_one_batch_at_a_time_in_order(TestedDatagrams tested)
    {
        const int Sent = 2000;
        await using var server = await tested.BindAsync(options => options.BatchSize = 7);
        var running = 0;
        var inbox = new Inbox();
        server.Start(
            async (batch, sender) =>
            {
                Assert.Equal(1, Interlocked.Increment(ref running));
                await Task.Yield();
                await inbox.OnDatagramsAsync(batch, sender);
                await Task.Yield();
                Interlocked.Decrement(ref running);
            },
            new DatagramCounters());
        using var peer = new Peer(server.LocalEndPoint);
        for (var i = 0; i < Sent; i++)
        {
            peer.Send(BitConverter.GetBytes(i));
        }

        for (var i = 0; i < Sent; i++)
        {
            Assert.Equal(i, BitConverter.ToInt32((await inbox.NextAsync()).Payload));
        }
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task What_the_receive_buffer_had_no_room_for_is_counted(TestedDatagrams tested)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        const int Sent = 20_000;
        await using var server = await tested.BindAsync(options => options.Socket.ReceiveBufferSizeInBytes = 1 << 16);
        var counters = new DatagramCounters();
        using var peer = new Peer(server.LocalEndPoint);
        for (var i = 0; i < Sent; i++)
        {
            peer.Send("flood"u8);
        }

        server.Start((_, _) => default, counters);
        await server.StopReceivingAsync(default).Bounded();
        Assert.Equal(Sent, counters.Received + counters.GetDropped(DatagramDropReason.ReceiveBufferFull));
        Assert.NotEqual(0, counters.GetDropped(DatagramDropReason.ReceiveBufferFull));
        Assert.NotEqual(0, counters.Received);
    }

    [Theory]
    [ClassData(typeof(EveryWay))]
    public async Task A_peer_that_is_not_there_does_not_end_a_client(TestedDatagrams tested)
    {
        using var reserved = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        reserved.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var address = (IPEndPoint)reserved.LocalEndPoint!;
        reserved.Dispose();
        await using var client = await tested.Transport().ConnectAsync(address);
        var inbox = new Inbox();
        var counters = new DatagramCounters();
        client.Start(inbox.OnDatagramsAsync, counters);
        for (var i = 0; i < 100; i++)
        {
            Assert.True(client.Sender.TrySend("anybody?"u8, default));
            await client.Sender.FlushAsync().Bounded();
        }

        await using var server = await tested.BindAsync(address: address);
        server.Start(TestedDatagramsExtensions.Echo, new DatagramCounters());
        Assert.True(client.Sender.TrySend("now"u8, default));
        Assert.Equal("now"u8.ToArray(), (await inbox.NextAsync()).Payload);
        Assert.Equal(101, counters.Sent + counters.GetDropped(DatagramDropReason.SendUnreachable));
    }

    [LinuxFact]
    public async Task Errors_that_stay_are_tried_again_by_the_clock_and_logged_once()
    {
        var clock = new FakeTimeProvider();
        var log = new RecordedLog();
        var failing = 2;
        DatagramCalls calls;
        unsafe
        {
            calls = new DatagramCalls(
                (descriptor, messages, count) =>
                    count > 0 && Interlocked.Decrement(ref failing) >= 0 ? -12 : DatagramCalls.System.Receive(descriptor, messages, count),
                DatagramCalls.System.Send);
        }

        await using var server = await TestedDatagrams.ThreadPool.BindAsync(
            options =>
            {
                options.Calls = calls;
                options.TimeProvider = clock;
            },
            log: log);
        var inbox = new Inbox();
        server.Start(inbox.OnDatagramsAsync, new DatagramCounters());
        using var peer = new Peer(server.LocalEndPoint);
        peer.Send("in the end"u8);
        var next = inbox.NextAsync();
        while (!next.IsCompleted)
        {
            // Far less than a minute in all, after which it would be logged again.
            clock.Advance(TimeSpan.FromMilliseconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }

        Assert.Equal("in the end"u8.ToArray(), (await next).Payload);
        Assert.Single(log.WithId(22));
    }

    [Fact]
    public async Task It_is_started_once()
    {
        await using var server = await TestedDatagrams.ThreadPool.BindAsync();
        server.Start(TestedDatagramsExtensions.Echo, new DatagramCounters());
        Assert.Throws<InvalidOperationException>(() => server.Start(TestedDatagramsExtensions.Echo, new DatagramCounters()));
        var other = await TestedDatagrams.OneByOne.BindAsync();
        await other.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => other.Start(TestedDatagramsExtensions.Echo, new DatagramCounters()));
    }

    [LinuxTheory]
    [InlineData(TestedDatagrams.OneByOne, ".NET TP Worker")]
    [InlineData(TestedDatagrams.ThreadPool, ".NET TP Worker")]
    [InlineData(TestedDatagrams.Inline, "Peregrine event loop")]
    [InlineData(TestedDatagrams.EventLoop, "Peregrine event loop")]
    public async Task Handlers_are_called_where_the_scheduling_says(TestedDatagrams tested, string thread)
    {
        await using var server = await tested.BindAsync();
        var threads = new System.Collections.Concurrent.ConcurrentQueue<string?>();
        server.Start(
            async (batch, sender) =>
            {
                threads.Enqueue(Thread.CurrentThread.Name);
                sender.TrySend(batch[0].Payload.Span, batch[0].Path);
                if (batch[0].Payload.Span[0] == 1)
                {
                    await Task.Yield(); // Goes on elsewhere; the next batch does not.
                }
            },
            new DatagramCounters());
        using var peer = new Peer(server.LocalEndPoint);
        for (var i = 0; i < 20; i++)
        {
            peer.Send([(byte)(i % 2)]);
            await peer.ReceiveAsync();
        }

        Assert.All(threads, name => Assert.Equal(thread, name));
    }

    [LinuxFact]
    public async Task A_peer_that_never_pauses_does_not_keep_its_thread_from_other_work()
    {
        const int Most = 1000;
        var loops = new CountedLoops();
        await using var server = await TestedDatagrams.ThreadPool.BindAsync(options =>
        {
            options.Loops = loops;
            options.Calls = EndlessMessages.Calls;
        });
        var handled = 0;
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var never = new TaskCompletionSource();
        server.Start(
            (_, _) =>
            {
                if (++handled >= Most || loops.Posted > 0)
                {
                    end.TrySetResult();
                    return new ValueTask(never.Task);
                }

                // What another thread of the pool may tell while the handler runs.
                ((LoopTarget)server).TryNote(EpollSet.Readable);
                return default;
            },
            new DatagramCounters());
        _ = Task.Run(() => ((LoopTarget)server).OnEvents(EpollSet.Readable));
        await end.Task.Bounded();
        Assert.InRange(handled, 1, 100);
    }

    /// <summary>Another datagram at each call.</summary>
    private static unsafe class EndlessMessages
    {
        public static readonly DatagramCalls Calls = new(One, DatagramCalls.System.Send);

        private static int One(int descriptor, DatagramCalls.Message* messages, int count)
        {
            if (count == 0)
            {
                return 0;
            }

            messages->Length = 1;
            messages->Header.NameLength = 0;
            messages->Header.ControlLength = 0;
            return 1;
        }
    }

    /// <summary>One loop, of which nothing is told but what a test tells.</summary>
    private sealed class CountedLoops : ILoops
    {
        private readonly CountedLoop _loop = new();

        public int Posted => Volatile.Read(ref _loop.Posted);

        public Loop Next() => _loop;

        private sealed class CountedLoop() : Loop(new LoopTable(), mostEvents: 1)
        {
            public int Posted;

            public override void Post(IThreadPoolWorkItem work, LoopOrigin origin)
            {
                Interlocked.Increment(ref Posted);
                ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: false);
            }
        }
    }
}
