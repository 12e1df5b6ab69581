using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peregrine.Sockets.Tests.Connections;

/// <summary>The pool is the application's choice: one with small blocks works, and one that fails ends a connection, not the process.</summary>
public sealed class OtherPoolsTests
{
    public static TheoryData<TestedSocket> EverySocket => [.. Enum.GetValues<TestedSocket>()];

    [Fact]
    public async Task A_pool_with_a_largest_size_is_enough_for_any_message()
    {
        using var pool = new FailingPool(largest: 4096);
        await using var pair = await ConnectAsync(pool);
        var message = new byte[100_000];
        new Random(1).NextBytes(message);
        message.CopyTo(pair.Server.Transport.Output.GetMemory(message.Length));
        pair.Server.Transport.Output.Advance(message.Length);
        var flushing = pair.Server.Transport.Output.FlushAsync().AsTask();
        var received = new byte[message.Length];
        for (var count = 0; count < received.Length;)
        {
            count += await pair.Client.ReceiveAsync(received.AsMemory(count)).Bounded();
        }

        await flushing.Bounded();
        Assert.Equal(message, received);
        await pair.Client.SendAsync(message.AsMemory(0, 10_000));
        var read = await pair.Server.Transport.Input.ReadAtLeastAsync(10_000).Bounded();
        Assert.Equal(message[..10_000], read.Buffer.ToArray()[..10_000]);
        pair.Server.Transport.Input.AdvanceTo(read.Buffer.End);
    }

    [Theory]
    [MemberData(nameof(EverySocket))]
    public async Task A_pool_of_tiny_blocks_loses_nothing_of_what_waits_bring(TestedSocket tested)
    {
        using var pool = new FailingPool(largest: 24);
        await using var pair = await ConnectAsync(pool, tested);
        var message = new byte[20_000];
        new Random(1).NextBytes(message);
        var sending = SendInPartsAsync(pair.Client, message);
        var random = new Random(2);
        var input = pair.Server.Transport.Input;
        var received = 0;
        while (true)
        {
            // One in four is cancelled, and leaves its wait to the next.
            var reading = input.ReadAsync();
            if (random.Next(4) == 0)
            {
                input.CancelPendingRead();
            }

            var read = await reading.Bounded();
            var length = (int)read.Buffer.Length;
            Assert.Equal(message[received..(received + length)], read.Buffer.ToArray());
            if (read.IsCompleted)
            {
                received += length;
                break;
            }

            var consumed = random.Next(length + 1);
            input.AdvanceTo(read.Buffer.GetPosition(consumed), read.Buffer.End);
            received += consumed;
        }

        await sending.Bounded();
        Assert.Equal(message.Length, received);
    }

    [Theory]
    [MemberData(nameof(EverySocket))]
    public async Task A_pool_that_fails_at_any_rent_ends_the_reads_and_gets_every_block_back(TestedSocket tested)
    {
        for (var round = 0; round < 60; round++)
        {
            using var pool = new FailingPool(largest: round % 2 == 0 ? 24 : 4096) { RentsBeforeFailure = round / 2 };
            var pair = await ConnectAsync(pool, tested);
            var sending = SendInPartsAsync(pair.Client, new byte[3_000]);
            try
            {
                while (true)
                {
                    var read = await pair.Server.Transport.Input.ReadAsync().Bounded();
                    pair.Server.Transport.Input.AdvanceTo(read.Buffer.End);
                    if (read.IsCompleted)
                    {
                        break;
                    }
                }
            }
            catch (Exception exception) when (exception is InsufficientMemoryException or ConnectionAbortedException)
            {
                // The flow's own rent, or that of a wait.
            }

            await pair.Server.DisposeAsync().Bounded();
            await sending.Bounded();
            await pair.DisposeAsync();
            Assert.Equal(0, pool.Rented);
        }
    }

    private static async Task SendInPartsAsync(Socket client, byte[] message)
    {
        var random = new Random(3);
        try
        {
            for (var sent = 0; sent < message.Length;)
            {
                var count = Math.Min(1 + random.Next(400), message.Length - sent);
                sent += await client.SendAsync(message.AsMemory(sent, count));
                if (random.Next(3) > 0)
                {
                    await Task.Yield();
                }
            }

            client.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // Reset by a side that found no buffer.
        }
    }

    [Fact]
    public async Task A_pool_that_fails_while_a_read_waits_fails_the_read()
    {
        using var pool = new FailingPool(largest: int.MaxValue);
        await using var pair = await ConnectAsync(pool);

        // The first attempt rents, and finds nothing to receive; the second is made on the completion's thread.
        var reading = pair.Server.Transport.Input.ReadAsync().AsTask();
        pool.Fails = true;
        await pair.Client.SendAsync(new byte[10]);
        var failure = await Assert.ThrowsAsync<ConnectionAbortedException>(() => reading.Bounded());
        Assert.IsType<InsufficientMemoryException>(failure.InnerException);
    }

    [Theory]
    [MemberData(nameof(EverySocket))]
    public async Task A_pool_that_fails_when_it_gets_a_block_back_fails_the_read_that_waits(TestedSocket tested)
    {
        using var pool = new FailingPool(largest: 4096);
        await using var pair = await ConnectAsync(pool, tested);
        var input = pair.Server.Transport.Input;
        await pair.Client.SendAsync(new byte[1]);
        var read = await input.ReadAsync().Bounded();
        input.AdvanceTo(read.Buffer.Start, read.Buffer.End);

        // There is room for the next byte behind the first one: the block that brings it goes back.
        var reading = input.ReadAsync().AsTask();
        pool.FailsReturns = true;
        await pair.Client.SendAsync(new byte[1]);
        var failure = await Assert.ThrowsAsync<ConnectionAbortedException>(() => reading.Bounded());
        Assert.IsType<InvalidOperationException>(failure.InnerException);
        pool.FailsReturns = false;
    }

    private static async Task<Pair> ConnectAsync(MemoryPool<byte> pool, TestedSocket tested = TestedSocket.ThreadPool)
    {
        var transport = new SocketTransportFactory(new SocketTransportOptions { MemoryPool = pool, Tested = tested }, NullLoggerFactory.Instance);
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.EndPoint);
        return new Pair(listener, (await listener.AcceptAsync().Bounded())!, client);
    }

    private sealed record Pair(IConnectionListener Listener, ConnectionContext Server, Socket Client) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            Client.Dispose();
            await Server.DisposeAsync();
            await Listener.DisposeAsync();
        }
    }

    private sealed class FailingPool(int largest) : MemoryPool<byte>
    {
        public volatile bool Fails;
        public volatile bool FailsReturns;
        private int _rents;
        private int _rented;

        public int RentsBeforeFailure { get; init; } = int.MaxValue;

        public int Rented => Volatile.Read(ref _rented);

        public override int MaxBufferSize => largest;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, largest);
            if (Fails || Interlocked.Increment(ref _rents) > RentsBeforeFailure)
            {
                throw new InsufficientMemoryException();
            }

            Interlocked.Increment(ref _rented);
            return new Block(this, minBufferSize);
        }

        protected override void Dispose(bool disposing)
        {
        }

        private sealed class Block(FailingPool pool, int size) : IMemoryOwner<byte>
        {
            private byte[]? _bytes = new byte[size];

            public Memory<byte> Memory => _bytes;

            public void Dispose()
            {
                ObjectDisposedException.ThrowIf(_bytes is null, this);
                _bytes = null;
                Interlocked.Decrement(ref pool._rented);
                if (pool.FailsReturns)
                {
                    throw new InvalidOperationException();
                }
            }
        }
    }
}
