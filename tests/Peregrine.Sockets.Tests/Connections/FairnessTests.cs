using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Tests.Simulation;
using Peregrine.Sockets.Time;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Connections;

/// <summary>No connection keeps a thread, or the memory, to itself.</summary>
public sealed class FairnessTests
{
    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(10)]
    public async Task A_reader_that_always_finds_something_gives_its_thread_to_others(int messageSize)
    {
        var scheduler = new CountingScheduler();
        using var endless = new LeakCheckingMemoryPool();
        await using var connection = Connect(new EndlessSocket(messageSize), endless, scheduler);
        for (var i = 0; i < 1_000; i++)
        {
            var read = await connection.Input.ReadAsync().Bounded();
            connection.Input.AdvanceTo(read.Buffer.End);
        }

        Assert.InRange(scheduler.Scheduled, 1_000 / 65, 1_000 / 60);
        connection.Abort();
    }

    [Theory]
    [InlineData(10, 64)]
    [InlineData(256 * 1024, 4)]
    public async Task A_writer_that_never_waits_gives_its_thread_to_others(int size, int flushesOfABurst)
    {
        var scheduler = new CountingScheduler();
        using var endless = new LeakCheckingMemoryPool();
        await using var connection = Connect(new EndlessSocket(int.MaxValue), endless, scheduler);
        var message = new byte[size];
        for (var i = 0; i < 10 * flushesOfABurst; i++)
        {
            Assert.False((await connection.Output.WriteAsync(message).Bounded()).IsCompleted);
        }

        Assert.Equal(10, scheduler.Scheduled);
        Assert.Equal(10L * flushesOfABurst * size, connection.BytesSent);
        connection.Abort();
    }

    [Fact]
    public async Task A_connection_that_waits_for_its_peer_in_between_is_not_sent_away()
    {
        var scheduler = new CountingScheduler();
        using var pool = new LeakCheckingMemoryPool();
        await using var connection = Connect(new EndlessSocket(10, new StrongBox<IStreamSocketCompletions>()), pool, scheduler);
        for (var i = 0; i < 300; i++)
        {
            var read = await connection.Input.ReadAsync().Bounded();
            await connection.Output.WriteAsync(read.Buffer.First).Bounded();
            connection.Input.AdvanceTo(read.Buffer.End);
        }

        Assert.Equal(0, scheduler.Scheduled);
        connection.Abort();
    }

    [Fact]
    public async Task What_is_examined_and_not_consumed_is_bounded()
    {
        using var pool = new LeakCheckingMemoryPool();
        await using var connection = Connect(new EndlessSocket(int.MaxValue), pool, new CountingScheduler());
        var failure = await Assert.ThrowsAsync<InvalidDataException>(async () =>
        {
            while (true)
            {
                var read = await connection.Input.ReadAsync().Bounded();
                connection.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            }
        });
        Assert.Contains("MaxUnreadBytes (50000)", failure.Message, StringComparison.Ordinal);
        Assert.InRange(pool.Rented * 4096, 50_000, 60_000);
        connection.Abort();
    }

    private static StreamConnection<EndlessSocket> Connect(EndlessSocket socket, MemoryPool<byte> pool, PipeScheduler scheduler) =>
        new(
            socket,
            new StreamSettings
            {
                Pool = pool,
                Heartbeat = new Heartbeat(TimeProvider.System),
                Logger = NullLogger.Instance,
                Scheduler = scheduler,
                SmallestReceiveInBytes = 4096,
                LargestReceiveInBytes = 4096,
                MaxUnreadBytes = 50_000,
            },
            lingerInBackground: false);

    private sealed class CountingScheduler : PipeScheduler
    {
        private int _scheduled;

        public int Scheduled => Volatile.Read(ref _scheduled);

        public override void Schedule(Action<object?> action, object? state)
        {
            Interlocked.Increment(ref _scheduled);
            ThreadPool.Schedule(action, state);
        }
    }

    /// <summary>Takes all that is sent, and always has a message to receive; given a box, one that comes after each wait.</summary>
    private readonly struct EndlessSocket(int messageSize, StrongBox<IStreamSocketCompletions>? waits = null) : IStreamSocket
    {
        public int? Unacknowledged => null;

        public long? Acknowledged => null;

        public void SetCompletions(IStreamSocketCompletions completions)
        {
            if (waits is not null)
            {
                waits.Value = completions;
            }
        }

        public IoResult TryReceive(Span<byte> buffer) => waits is null ? Message(buffer.Length) : IoResult.WouldBlock;

        public bool Receive(IReceiveBuffer buffer, out IoResult result)
        {
            result = Message(buffer.Rent().Length);
            if (waits is null)
            {
                return true;
            }

            ThreadPool.UnsafeQueueUserWorkItem(
                static arrival => arrival.Completions.OnReceived(arrival.Message), (Completions: waits.Value!, Message: result), preferLocal: false);
            return false;
        }

        private IoResult Message(int room) => new(Math.Min(messageSize, room), System.Net.Sockets.SocketError.Success);

        public IoResult TrySend(ReadOnlySpan<byte> data) => new(data.Length, System.Net.Sockets.SocketError.Success);

        public IoResult TrySend(BufferSegment first) => TrySend(first.Unsent.Span);

        public IoResult TrySendFile(SafeFileHandle file, long offset, int count) => new(count, System.Net.Sockets.SocketError.Success);

        public bool Send(ReadOnlyMemory<byte> data, out IoResult result)
        {
            result = new IoResult(data.Length, System.Net.Sockets.SocketError.Success);
            return true;
        }

        public void WatchPeer()
        {
        }

        public void ShutdownSend()
        {
        }

        public void Abort()
        {
        }

        public void Dispose()
        {
        }
    }
}
