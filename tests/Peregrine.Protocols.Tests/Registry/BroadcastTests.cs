using System.Buffers;
using System.IO.Pipelines;
using Peregrine.Protocols.Tests.Messages;

namespace Peregrine.Protocols.Tests.Registry;

public sealed class BroadcastTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);
    private static readonly IMessageWriter<ReadOnlySequence<byte>> s_format = new LengthFieldWriter(new() { Width = 2 });
    private readonly ConnectionRegistry _registry = new();

    [Fact]
    public async Task All_but_the_sender_get_the_message_which_is_encoded_once()
    {
        var outputs = Enumerable.Range(0, 5).Select(_ => new CountingWriter(expected: 1)).ToArray();
        var registered = Array.ConvertAll(outputs, output => Registered(output));
        var format = new CountingFormat();
        var broadcast = _registry.All.BroadcastAsync(Message(7), format, except: registered[2]);
        Assert.True(broadcast.IsCompletedSuccessfully);
        Assert.Equal(new BroadcastResult(Posted: 4, Skipped: 0, Dropped: 0, Disconnected: 0), await broadcast);
        Assert.Equal(1, format.Written);
        await Task.WhenAll(outputs.Where((_, i) => i != 2).Select(output => output.Taken)).WaitAsync(s_limit, TimeProvider.System);
        Assert.All(outputs.Where((_, i) => i != 2), output => Assert.Equal([0, 1, 7], output.Bytes));
        Assert.Empty(outputs[2].Bytes);

        // Nobody is there.
        Assert.Equal(default, await _registry.Group("empty").BroadcastAsync(Message(7), format));
        Assert.Equal(default, await default(ConnectionSet).BroadcastAsync(Message(7), format));
        Assert.Equal(1, format.Written);
    }

    [Fact]
    public async Task Messages_come_in_their_order_and_go_together_while_a_send_is_under_way()
    {
        var output = new GatedWriter { IsClosed = true };
        var registered = Registered(output);
        registered.TryJoin("lobby");
        for (byte i = 0; i < 10; i++)
        {
            // Those to this one alone, too.
            if (i % 3 == 2)
            {
                registered.Writer.Write(Message(i), s_format);
            }
            else
            {
                Assert.Equal(1, (await _registry.Group("lobby").BroadcastAsync(Message(i), s_format)).Posted);
            }
        }

        var all = registered.Writer.FlushAsync().AsTask();
        while (!all.IsCompleted)
        {
            await Task.WhenAny(output.EndFlushAsync(), all).WaitAsync(s_limit, TimeProvider.System);
        }

        Assert.InRange(output.Flushes, 1, 2);
        Assert.Equal(Enumerable.Range(0, 10).Select(i => (byte)i), output.Messages().Select(message => message[0]));
    }

    [Fact]
    public async Task A_flush_of_the_handler_takes_what_the_thread_pool_has_not_come_to()
    {
        // Whoever of both is first: nothing is sent twice, or left.
        var output = new GatedWriter();
        var registered = Registered(output);
        for (var i = 0; i < 1000; i++)
        {
            await _registry.All.BroadcastAsync(Message(1), s_format);
            await registered.Writer.WriteAsync(Message(2), s_format);
            Assert.Equal(0, registered.Writer.PendingBytes);
        }

        await registered.Writer.EndAsync();
        Assert.Equal(Enumerable.Range(0, 2000).Select(i => (byte)((i % 2) + 1)), output.Messages().Select(message => message[0]));
    }

    [Fact]
    public async Task A_slow_receiver_is_skipped_and_keeps_what_it_has()
    {
        var (slow, quick) = (new GatedWriter { IsClosed = true }, new CountingWriter(expected: 10));
        var registered = await SlowAsync(slow, SlowReceiverPolicy.Skip);
        Registered(quick);
        for (byte i = 3; i < 13; i++)
        {
            Assert.Equal(new BroadcastResult(Posted: 1, Skipped: 1, Dropped: 0, Disconnected: 0), await _registry.All.BroadcastAsync(Message(i), s_format));
        }

        await quick.Taken.WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal([0, 1, 2], await RestAsync(slow, registered));
    }

    [Fact]
    public async Task A_slow_receiver_loses_the_oldest_of_which_nothing_is_sent()
    {
        var slow = new GatedWriter { IsClosed = true };
        var registered = await SlowAsync(slow, SlowReceiverPolicy.DropOldest);
        Assert.Equal(new BroadcastResult(Posted: 1, Skipped: 0, Dropped: 1, Disconnected: 0), await BroadcastAsync(Message(3)));
        Assert.Equal(new BroadcastResult(Posted: 1, Skipped: 0, Dropped: 1, Disconnected: 0), await BroadcastAsync(Message(4)));

        // One that is larger than the bound allows beside the send that is under way has no room, and drops nobody in vain.
        Assert.Equal(new BroadcastResult(Posted: 0, Skipped: 1, Dropped: 0, Disconnected: 0), await BroadcastAsync(new ReadOnlySequence<byte>(new byte[6])));
        Assert.Equal([0, 3, 4], await RestAsync(slow, registered));

        ValueTask<BroadcastResult> BroadcastAsync(ReadOnlySequence<byte> message) => _registry.All.BroadcastAsync(message, s_format, SlowReceiverPolicy.DropOldest);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_slow_receiver_is_taken_out_and_aborted_with_the_bound_in_the_reason(bool abortFails)
    {
        var connection = new TestConnection { AbortFailure = abortFails ? new InvalidOperationException() : null };
        var (slow, quick) = (new GatedWriter { IsClosed = true }, new CountingWriter(expected: 2));
        await SlowAsync(slow, SlowReceiverPolicy.Disconnect, connection);
        Registered(quick);
        Assert.Equal(new BroadcastResult(Posted: 1, Skipped: 0, Dropped: 0, Disconnected: 1), await BroadcastAsync());
        Assert.False(_registry.TryGet(connection.ConnectionId, out _));
        Assert.Equal(new BroadcastResult(Posted: 1, Skipped: 0, Dropped: 0, Disconnected: 0), await BroadcastAsync());
        var reason = (await connection.Aborted.WaitAsync(s_limit, TimeProvider.System)).Message;
        Assert.Contains("10 bytes", reason, StringComparison.Ordinal);
        Assert.Contains("maxPendingBytes", reason, StringComparison.Ordinal);
        await quick.Taken.WaitAsync(s_limit, TimeProvider.System);

        ValueTask<BroadcastResult> BroadcastAsync() => _registry.All.BroadcastAsync(Message(9), s_format, SlowReceiverPolicy.Disconnect);
    }

    [Fact]
    public async Task Small_messages_are_bounded_by_their_number()
    {
        var slow = new GatedWriter { IsClosed = true };
        var registered = Registered(slow, maxPendingBytes: 64 * 100);
        var results = new List<BroadcastResult>();
        for (var i = 0; i < 150; i++)
        {
            results.Add(await _registry.All.BroadcastAsync(ReadOnlySequence<byte>.Empty, s_format));
        }

        Assert.Equal(100, results.Sum(result => result.Posted));
        Assert.Equal(50, results.Sum(result => result.Skipped));
        Assert.Equal(200, registered.Writer.PendingBytes);
    }

    [Fact]
    public async Task Nobody_is_slow_because_the_thread_pool_is_late()
    {
        var output = new CountingWriter(expected: 10_000);
        Registered(output, maxPendingBytes: 32);
        for (var i = 0; i < 10_000; i++)
        {
            output.Broadcaster = Environment.CurrentManagedThreadId;
            var broadcast = _registry.All.BroadcastAsync(Message((byte)i), s_format);
            output.Broadcaster = 0;
            if ((await broadcast).Posted == 0)
            {
                // The thread pool is in the middle of a flush.
                i--;
                await Task.Yield();
            }
        }

        await output.Taken.WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal(Enumerable.Range(0, 10_000).SelectMany(i => new byte[] { 0, 1, (byte)i }), output.Bytes);

        // More than the bound was posted between two turns of the thread pool: the broadcast has made room itself.
        Assert.True(output.HasBroadcasterFlushed);
    }

    [Fact]
    public async Task An_output_that_fails_or_blocks_does_not_stop_or_delay_the_others()
    {
        const int Quick = 50, Messages = 20;
        using var gate = new ManualResetEventSlim();
        var quick = Enumerable.Range(0, Quick).Select(_ => new CountingWriter(Messages)).ToArray();
        Array.ForEach(quick[..(Quick / 2)], output => Registered(output));
        Registered(new BrokenWriter(() => throw new IOException("broken")));
        Registered(new BrokenWriter(gate.Wait));
        Array.ForEach(quick[(Quick / 2)..], output => Registered(output));
        for (byte i = 0; i < Messages; i++)
        {
            Assert.InRange((await _registry.All.BroadcastAsync(Message(i), s_format)).Posted, Quick, Quick + 2);
        }

        try
        {
            await Task.WhenAll(quick.Select(output => output.Taken)).WaitAsync(s_limit, TimeProvider.System);
        }
        finally
        {
            gate.Set();
        }

        Assert.All(quick, output => Assert.Equal(Enumerable.Range(0, Messages).SelectMany(i => new byte[] { 0, 1, (byte)i }), output.Bytes));
    }

    [Fact]
    public async Task Those_that_have_ended_are_not_counted()
    {
        var ended = Registered(new GatedWriter());
        await ended.Writer.EndAsync();
        Assert.Equal(default, await _registry.All.BroadcastAsync(Message(1), s_format, SlowReceiverPolicy.Disconnect));
        Assert.True(_registry.TryGet(ended.Id, out _));
    }

    [Fact]
    public async Task A_message_is_let_go_when_the_last_receiver_has_taken_it_or_lost_it()
    {
        GatedWriter[] outputs = [new() { IsClosed = true }, new() { IsClosed = true }];
        var (one, other) = (await SlowAsync(outputs[0], SlowReceiverPolicy.DropOldest), Registered(outputs[1]));
        var message = EncodedMessage.Create(Message(5), s_format);
        await _registry.All.BroadcastAsync(message, SlowReceiverPolicy.DropOldest, except: null, CancellationToken.None);
        message.Dispose();
        Assert.Equal(3, message.Memory.Length);
        await outputs[1].EndFlushAsync();
        await other.Writer.FlushAsync();
        Assert.Equal(3, message.Memory.Length);
        for (var i = 0; i < 3; i++)
        {
            await _registry.All.BroadcastAsync(Message(6), s_format, SlowReceiverPolicy.DropOldest, except: other);
        }

        Assert.Throws<ObjectDisposedException>(() => message.Memory);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await _registry.All.BroadcastAsync(message, SlowReceiverPolicy.Skip, except: null, CancellationToken.None));
        Assert.Equal([0, 6, 6], await RestAsync(outputs[0], one));
    }

    [Fact]
    public async Task A_message_is_let_go_by_those_who_do_not_get_it()
    {
        var slow = await SlowAsync(new GatedWriter { IsClosed = true }, SlowReceiverPolicy.Skip);
        var except = Registered(new GatedWriter());
        Registered(new GatedWriter()).Dispose();
        await Registered(new GatedWriter()).Writer.EndAsync();
        var message = EncodedMessage.Create(Message(5), s_format);
        Assert.Equal(
            new BroadcastResult(Posted: 0, Skipped: 1, Dropped: 0, Disconnected: 0),
            await _registry.All.BroadcastAsync(message, SlowReceiverPolicy.Skip, except, CancellationToken.None));
        Assert.False(slow.Writer.TryPost(message));
        Assert.Equal(3, message.Memory.Length);
        message.Dispose();
        Assert.Throws<ObjectDisposedException>(() => message.Memory);
    }

    [Fact]
    public async Task Messages_that_do_not_follow_each_other_are_not_one()
    {
        var output = new GatedWriter();
        var registered = Registered(output);
        Registered(new DiscardingWriter());
        var expected = new List<byte[]>();
        for (byte i = 0; i < 200; i++)
        {
            if (i % 5 == 1)
            {
                registered.Writer.Write(Message(i), s_format);
            }
            else
            {
                // One that it does not get, now and then.
                await _registry.All.BroadcastAsync(Message(i), s_format, except: i % 7 == 2 ? registered : null);
            }

            if (i % 5 == 1 || i % 7 != 2)
            {
                expected.Add([i]);
            }

            if (i % 13 == 3)
            {
                await registered.Writer.FlushAsync();
            }
        }

        await registered.Writer.EndAsync();
        Assert.Equal(expected, output.Messages());
    }

    [Fact]
    public async Task A_message_that_cannot_be_written_reaches_nobody()
    {
        var output = new GatedWriter();
        var registered = Registered(output);
        await Assert.ThrowsAsync<MessageFormatException>(async () => await _registry.All.BroadcastAsync(new ReadOnlySequence<byte>(new byte[70_000]), s_format));
        await registered.Writer.EndAsync();
        Assert.Equal(0, output.Flushes);
    }

    [Fact]
    public async Task Behind_thousands_of_receivers_others_have_their_turn_and_a_token_ends_it()
    {
        const int Receivers = 10_000;
        for (var i = 0; i < Receivers; i++)
        {
            Registered(new DiscardingWriter());
        }

        Assert.Equal(Receivers, (await _registry.All.BroadcastAsync(Message(1), s_format)).Posted);
        using var cancellation = new CancellationTokenSource();
        var message = EncodedMessage.Create(Message(1), s_format);
        var broadcast = _registry.All.BroadcastAsync(message, SlowReceiverPolicy.Skip, except: null, cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        var ended = await Record.ExceptionAsync(() => broadcast.WaitAsync(s_limit, TimeProvider.System));
        Assert.True(ended is null or OperationCanceledException);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await _registry.All.BroadcastAsync(Message(1), s_format, cancellationToken: cancellation.Token));
        message.Dispose();
    }

    [Fact]
    public async Task Nothing_is_allocated_for_a_receiver()
    {
        const int Receivers = 100, Rounds = 100;
        var outputs = Enumerable.Range(0, Receivers).Select(_ => new GatedWriter { IsClosed = true }).ToArray();
        Array.ForEach(outputs, output => Registered(output));
        using var message = EncodedMessage.Create(Message(1), s_format);
        await _registry.All.BroadcastAsync(message, SlowReceiverPolicy.Skip, except: null, CancellationToken.None);
        foreach (var output in outputs)
        {
            await FlushBeginsAsync(output);
        }

        // The queues grow in some of the rounds.
        var bytes = Allocations.LeastOf(() =>
        {
            for (var i = 0; i < Rounds; i++)
            {
                AssertPosted(_registry.All.BroadcastAsync(message, SlowReceiverPolicy.DropOldest, except: null, CancellationToken.None));
            }
        });
        Assert.InRange(bytes, 0, Receivers * Rounds);
        foreach (var output in outputs)
        {
            await output.EndFlushAsync();
        }

        static void AssertPosted(ValueTask<BroadcastResult> broadcast) => Assert.True(broadcast.IsCompletedSuccessfully && broadcast.Result.Posted == Receivers);
    }

    private static ReadOnlySequence<byte> Message(byte content) => new([content]);

    private RegisteredConnection Registered(PipeWriter output, int maxPendingBytes = MessageWriter.DefaultMaxPendingBytes, TestConnection? connection = null) =>
        _registry.Register(connection ?? new TestConnection(), new MessageWriter(output, maxPendingBytes));

    /// <summary>A receiver with 0, 1, and 2 pending, of three bytes each, for which there is room; the flush of 0 is under way.</summary>
    private async Task<RegisteredConnection> SlowAsync(GatedWriter output, SlowReceiverPolicy policy, TestConnection? connection = null)
    {
        var registered = Registered(output, maxPendingBytes: 10, connection);
        await _registry.All.BroadcastAsync(Message(0), s_format, policy);
        await FlushBeginsAsync(output);
        for (byte i = 1; i < 3; i++)
        {
            Assert.Equal(new BroadcastResult(Posted: 1, Skipped: 0, Dropped: 0, Disconnected: 0), await _registry.All.BroadcastAsync(Message(i), s_format, policy));
        }

        return registered;
    }

    private static async Task FlushBeginsAsync(GatedWriter output)
    {
        while (output.Flushes == 0)
        {
            await Task.Yield();
        }
    }

    /// <summary>Ends the flush that is under way, and the next, which is the last; then says what came.</summary>
    private static async Task<IEnumerable<byte>> RestAsync(GatedWriter output, RegisteredConnection registered)
    {
        var all = registered.Writer.FlushAsync().AsTask();
        await output.EndFlushAsync();
        await output.EndFlushAsync();
        await all.WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal(2, output.Flushes);
        return output.Messages().Select(message => message[0]);
    }

    private sealed class CountingFormat : IMessageWriter<ReadOnlySequence<byte>>
    {
        public int Written { get; private set; }

        public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
        {
            Written++;
            s_format.Write(message, output);
        }
    }

    /// <summary>Takes everything at once, and tells when it has so many messages of three bytes.</summary>
    private sealed class CountingWriter(int expected) : OutputWriter
    {
        private readonly TaskCompletionSource _taken = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Taken => _taken.Task;

        /// <summary>The thread that is in the middle of a broadcast.</summary>
        public int Broadcaster { get; set; }

        public bool HasBroadcasterFlushed { get; private set; }

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            HasBroadcasterFlushed |= Broadcaster == Environment.CurrentManagedThreadId;
            if (Bytes.Length == 3 * expected)
            {
                _taken.SetResult();
            }

            return default;
        }
    }

    private sealed class BrokenWriter(Action onFlush) : OutputWriter
    {
        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            onFlush();
            return default;
        }
    }

    private abstract class OutputWriter : PipeWriter
    {
        private readonly ArrayBufferWriter<byte> _bytes = new();

        public byte[] Bytes => _bytes.WrittenSpan.ToArray();

        public override void Advance(int bytes) => _bytes.Advance(bytes);

        public override void CancelPendingFlush() => throw new NotSupportedException();

        public override void Complete(Exception? exception = null)
        {
        }

        public override Memory<byte> GetMemory(int sizeHint = 0) => _bytes.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => _bytes.GetSpan(sizeHint);
    }
}
