using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peregrine.Sockets.Tests.Connections;

/// <summary>The pool is the application's choice: one with small blocks works, and one that fails ends a connection, not the process.</summary>
public sealed class OtherPoolsTests
{
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

    private static async Task<Pair> ConnectAsync(MemoryPool<byte> pool)
    {
        var transport = new SocketTransportFactory(new SocketTransportOptions { MemoryPool = pool }, NullLoggerFactory.Instance);
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

        public override int MaxBufferSize => largest;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, largest);
            return Fails ? throw new InsufficientMemoryException() : Shared.Rent(minBufferSize);
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
