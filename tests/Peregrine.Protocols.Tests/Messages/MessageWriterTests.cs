using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace Peregrine.Protocols.Tests.Messages;

public sealed class MessageWriterTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);
    private static readonly LengthFieldWriter s_format = new(new() { Width = 2 });
    private static readonly IMessageWriter<ReadOnlySequence<byte>> s_sequences = s_format;

    [Fact]
    public async Task Messages_that_are_written_together_go_out_in_one_flush()
    {
        var output = new GatedWriter();
        var writer = new MessageWriter(output);
        for (byte i = 0; i < 16; i++)
        {
            writer.Write(Message(i), s_sequences);
        }

        Assert.Equal(16 * 3, writer.PendingBytes);
        await writer.FlushAsync();
        Assert.Equal(1, output.Flushes);
        Assert.Equal(0, writer.PendingBytes);
        Assert.Equal(Enumerable.Range(0, 16).Select(i => (byte)i), output.Messages().Select(message => message[0]));
        await writer.FlushAsync();
        Assert.Equal(1, output.Flushes);
    }

    [Fact]
    public async Task What_comes_during_a_flush_goes_out_in_the_next_and_each_waits_for_its_own()
    {
        var output = new GatedWriter { IsClosed = true };
        var writer = new MessageWriter(output);
        var first = writer.WriteAsync(Message(1), s_sequences).AsTask();
        var second = writer.WriteAsync(Message(2), s_sequences).AsTask();
        var third = writer.WriteAsync(Message(3), s_sequences).AsTask();
        var all = writer.FlushAsync().AsTask();
        Assert.False(first.IsCompleted);
        await output.EndFlushAsync();
        await first.WaitAsync(s_limit, TimeProvider.System);
        Assert.False(second.IsCompleted || third.IsCompleted || all.IsCompleted);
        await output.EndFlushAsync();
        await Task.WhenAll(second, third, all).WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal(2, output.Flushes);
        Assert.Equal([1, 2, 3], output.Messages().Select(message => message[0]));
    }

    [Fact]
    public async Task A_flow_that_writes_without_end_does_not_keep_the_thread_that_has_ended_a_flush()
    {
        const int Messages = 10_000;
        var output = new RefillingWriter();
        var writer = new MessageWriter(output);
        output.Refill = () =>
        {
            if (output.Flushes < Messages)
            {
                writer.Write(Message(1), s_sequences);
                Forget(writer.FlushAsync());
            }
            else
            {
                output.IsOver.TrySetResult();
            }
        };
        writer.Write(Message(1), s_sequences);
        var first = writer.FlushAsync().AsTask();
        writer.Write(Message(1), s_sequences);
        Forget(writer.FlushAsync());
        await Task.Run(output.EndFirst);
        Assert.InRange(output.FlushesInFirstEnd, 1, 100);
        await first.WaitAsync(s_limit, TimeProvider.System);
        await output.IsOver.Task.WaitAsync(s_limit, TimeProvider.System);
    }

    [Fact]
    public void A_wait_that_nobody_awaits_leaves_its_token_when_it_is_over()
    {
        using var cancellation = new CancellationTokenSource();
        var wait = Abandon(cancellation.Token);
        GC.Collect();
        Assert.False(wait.IsAlive);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static WeakReference Abandon(CancellationToken token)
        {
            var waiter = FlushWaiter.Rent();
            Forget(waiter.WaitAsync(token));
            waiter.EndByFlush(default, exception: null, isAlone: false);
            return new WeakReference(waiter);
        }
    }

    [Fact]
    public async Task Many_tasks_write_whole_messages_each_in_its_order()
    {
        const int Writers = 8, Each = 2000;
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 1000, resumeWriterThreshold: 500));
        var writer = new MessageWriter(pipe.Writer);
        var reader = new MessageReader<ReadOnlySequence<byte>>(pipe.Reader, new LengthFieldReader(new() { Width = 2 }));
        var writing = Task.WhenAll(Enumerable.Range(0, Writers).Select(id => Task.Run(async () =>
        {
            var random = new Random(id);
            for (var i = 0; i < Each; i++)
            {
                var message = new byte[8 + random.Next(100)];
                BitConverter.TryWriteBytes(message, id);
                BitConverter.TryWriteBytes(message.AsSpan(4), i);
                Assert.False((await writer.WriteAsync(new ReadOnlySequence<byte>(message), s_sequences)).IsCompleted);
            }
        })));
        var next = new int[Writers];
        for (var i = 0; i < Writers * Each; i++)
        {
            var message = (await reader.ReadAsync().AsTask().WaitAsync(s_limit, TimeProvider.System)).Message.ToArray();
            Assert.Equal(next[BitConverter.ToInt32(message)]++, BitConverter.ToInt32(message, 4));
        }

        // The last of them stays in the pipe until it is given back, and the last flush may wait for that.
        Assert.Equal(0, reader.Release());
        await writing.WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal(0, writer.PendingBytes);
    }

    [Fact]
    public async Task A_message_that_fails_in_the_middle_leaves_nothing_behind()
    {
        var output = new GatedWriter();
        var writer = new MessageWriter(output);
        await writer.WriteAsync(Message(1), s_sequences);
        Assert.Throws<MessageFormatException>(() => writer.Write(7, new FailingFormat()));
        await writer.WriteAsync(Message(2), s_sequences);
        Assert.Equal([1, 2], output.Messages().Select(message => message[0]));
    }

    [Fact]
    public async Task A_posted_message_is_shared_and_let_go_when_it_is_sent()
    {
        using var message = EncodedMessage.Create(Message(9), s_sequences);
        GatedWriter[] outputs = [new(), new() { IsClosed = true }];
        var writers = Array.ConvertAll(outputs, output => new MessageWriter(output));
        Assert.All(writers, writer => Assert.True(writer.TryPost(message)));
        message.Dispose();

        // The second one still has it.
        Assert.Equal([0, 1, 9], message.Memory.ToArray());
        Assert.Equal(3, writers[1].PendingBytes);
        await outputs[1].EndFlushAsync();
        await writers[1].FlushAsync();
        Assert.All(outputs, output => Assert.Equal([9], Assert.Single(output.Messages())));
        Assert.Throws<ObjectDisposedException>(() => _ = message.Memory);
        Assert.Throws<ObjectDisposedException>(() => writers[0].TryPost(message));
    }

    [Fact]
    public async Task A_slow_peer_is_not_posted_to_beyond_the_bound_and_loses_the_oldest_where_that_is_asked_for()
    {
        var output = new GatedWriter { IsClosed = true };
        var writer = new MessageWriter(output, maxPendingBytes: 10);
        Assert.True(Post(0, out _));
        Assert.True(Post(1, out _));
        Assert.True(Post(2, out _));
        using (var message = EncodedMessage.Create(Message(3), s_sequences))
        {
            Assert.False(writer.TryPost(message));
        }

        Assert.True(Post(4, out var dropped));
        Assert.Equal(1, dropped);

        // What was written, and is not a posted message, is never dropped.
        var written = writer.WriteAsync(Message(5), s_sequences).AsTask();
        Assert.True(Post(6, out dropped));
        Assert.Equal(2, dropped);
        await output.EndFlushAsync();
        await output.EndFlushAsync();
        await written.WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal(0, writer.PendingBytes);
        Assert.Equal([0, 5, 6], output.Messages().Select(message => message[0]));

        bool Post(byte content, out int lost)
        {
            using var message = EncodedMessage.Create(Message(content), s_sequences);
            return writer.TryPostInPlaceOfOldest(message, out lost);
        }
    }

    [Fact]
    public async Task Nobody_waits_for_what_was_dropped_and_nothing_is_dropped_in_vain()
    {
        var output = new GatedWriter { IsClosed = true };
        var writer = new MessageWriter(output, maxPendingBytes: 10);
        var first = writer.WriteAsync(new ReadOnlySequence<byte>(new byte[4]), s_sequences).AsTask();
        using var small = EncodedMessage.Create(Message(1), s_sequences);
        using var large = EncodedMessage.Create(new ReadOnlySequence<byte>(new byte[5]), s_sequences);
        Assert.True(writer.TryPost(small));
        var flush = writer.FlushAsync().AsTask();
        Assert.False(writer.TryPostInPlaceOfOldest(large, out var dropped));
        Assert.Equal(0, dropped);
        await output.EndFlushAsync();
        await output.EndFlushAsync();
        await Task.WhenAll(first, flush).WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal(2, output.Messages().Count);
    }

    [Fact]
    public async Task Posted_and_written_messages_keep_their_order()
    {
        var output = new GatedWriter { IsClosed = true };
        var writer = new MessageWriter(output);
        for (byte i = 0; i < 9; i++)
        {
            if (i % 3 == 1)
            {
                writer.Write(Message(i), s_sequences);
            }
            else
            {
                using var message = EncodedMessage.Create(Message(i), s_sequences);
                Assert.True(writer.TryPost(message));
            }
        }

        var flush = writer.FlushAsync().AsTask();
        await output.EndFlushAsync();
        await output.EndFlushAsync();
        await flush.WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7, 8], output.Messages().Select(message => message[0]));
    }

    [Fact]
    public async Task A_cancelled_wait_is_over_and_the_message_is_sent()
    {
        var output = new GatedWriter { IsClosed = true };
        var writer = new MessageWriter(output);
        using var cancellation = new CancellationTokenSource();
        var first = writer.WriteAsync(Message(1), s_sequences, cancellation.Token).AsTask();
        var second = writer.WriteAsync(Message(2), s_sequences, cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        var third = writer.WriteAsync(Message(3), s_sequences).AsTask();
        await output.EndFlushAsync();
        await output.EndFlushAsync();
        await third.WaitAsync(s_limit, TimeProvider.System);
        Assert.Equal([1, 2, 3], output.Messages().Select(message => message[0]));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await writer.WriteAsync(Message(4), s_sequences, cancellation.Token));
        Assert.Equal(0, writer.PendingBytes);
    }

    [Fact]
    public async Task A_peer_that_is_gone_ends_all_waits_and_takes_nothing_more()
    {
        var output = new GatedWriter { IsClosed = true };
        var writer = new MessageWriter(output);
        var waits = Enumerable.Range(0, 3).Select(i => writer.WriteAsync(Message((byte)i), s_sequences).AsTask()).ToArray();
        await output.EndFlushAsync(isCompleted: true);
        Assert.All(await Task.WhenAll(waits).WaitAsync(s_limit, TimeProvider.System), result => Assert.True(result.IsCompleted));
        Assert.True((await writer.WriteAsync(Message(9), s_sequences)).IsCompleted);
        using var message = EncodedMessage.Create(Message(9), s_sequences);
        Assert.False(writer.TryPost(message));
        Assert.Equal((1, 0L), (output.Flushes, writer.PendingBytes));
    }

    [Fact]
    public async Task An_output_that_fails_fails_those_who_wait_and_those_who_come()
    {
        var output = new GatedWriter { IsClosed = true };
        var writer = new MessageWriter(output);
        var waits = Enumerable.Range(0, 3).Select(i => writer.WriteAsync(Message((byte)i), s_sequences).AsTask()).ToArray();
        await output.EndFlushAsync(exception: new IOException("broken"));
        foreach (var wait in waits)
        {
            await Assert.ThrowsAsync<IOException>(() => wait.WaitAsync(s_limit, TimeProvider.System));
        }

        await Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.WriteAsync(Message(9), s_sequences));
        Assert.Equal(0, writer.PendingBytes);
    }

    [Fact]
    public async Task The_end_sends_what_was_written_and_drops_what_comes()
    {
        var output = new GatedWriter { IsClosed = true };
        var writer = new MessageWriter(output);
        writer.Write(Message(1), s_sequences);
        var end = writer.EndAsync().AsTask();
        Assert.False(end.IsCompleted);
        writer.Write(Message(2), s_sequences);

        // The flush that is under way is not this message's.
        Assert.True((await writer.WriteAsync(Message(2), s_sequences)).IsCompleted);
        await output.EndFlushAsync();
        await end.WaitAsync(s_limit, TimeProvider.System);
        Assert.True((await writer.WriteAsync(Message(3), s_sequences)).IsCompleted);
        Assert.Equal([1], Assert.Single(output.Messages()));
    }

    [Fact]
    public void Nothing_is_allocated_for_a_message()
    {
        var writer = new MessageWriter(new DiscardingWriter());
        var message = Message(1);
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                writer.Write(message, s_sequences);
                AssertSent(writer.WriteAsync(message, s_sequences));
            }
        }));

        static void AssertSent(ValueTask<FlushResult> flush) => Assert.True(flush.IsCompletedSuccessfully && !flush.Result.IsCompleted);
    }

    private static ReadOnlySequence<byte> Message(byte content) => new([content]);

    private sealed class FailingFormat : IMessageWriter<int>
    {
        public void Write(int message, IBufferWriter<byte> output)
        {
            output.Write("half of it"u8);
            throw new MessageFormatException();
        }
    }

    /// <summary>As those who do not wait do.</summary>
    private static void Forget(ValueTask<FlushResult> wait) => _ = wait.IsCompleted;

    /// <summary>An output whose first flush ends when the test says so, and all others at once, each with more to send.</summary>
    private sealed class RefillingWriter : PipeWriter
    {
        private readonly ArrayBufferWriter<byte> _bytes = new();
        private readonly TaskCompletionSource<FlushResult> _first = new();
        private int _ending;

        public Action Refill { get; set; } = () => { };

        public int Flushes { get; private set; }

        public int FlushesInFirstEnd { get; private set; }

        public TaskCompletionSource IsOver { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void EndFirst()
        {
            _ending = Environment.CurrentManagedThreadId;
            _first.SetResult(default);
            _ending = 0;
        }

        public override void Advance(int bytes) => _bytes.Advance(bytes);

        public override void CancelPendingFlush() => throw new NotSupportedException();

        public override void Complete(Exception? exception = null)
        {
        }

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            _bytes.ResetWrittenCount();
            if (++Flushes == 1)
            {
                return new ValueTask<FlushResult>(_first.Task);
            }

            if (_ending == Environment.CurrentManagedThreadId)
            {
                FlushesInFirstEnd++;
            }

            Refill();
            return default;
        }

        public override Memory<byte> GetMemory(int sizeHint = 0) => _bytes.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => _bytes.GetSpan(sizeHint);
    }
}
