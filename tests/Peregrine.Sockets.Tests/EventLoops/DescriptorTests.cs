using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Peregrine.Contract;
using Peregrine.Features;
using Peregrine.Sockets.EventLoops;

namespace Peregrine.Sockets.Tests.EventLoops;

/// <summary>These count the descriptors of the process, so nothing else runs meanwhile.</summary>
[CollectionDefinition(nameof(DescriptorTests), DisableParallelization = true)]
public sealed class DescriptorTestsRunAlone;

/// <summary>A descriptor is closed once, by the last who uses it, and never used after that: its number is another connection's by then.</summary>
[Collection(nameof(DescriptorTests))]
public sealed class DescriptorTests
{
    [LinuxTheory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Thousands_of_connections_that_end_at_any_moment_leave_no_descriptor_and_mix_no_bytes(int seed)
    {
        await using (var warm = await LoopServer.StartAsync(LoopServer.EchoAsync, loops: 2))
        {
            await RunClientAsync(warm, new Random(seed));
        }

        var before = CountDescriptors();
        var stop = false;
        var collecting = Task.Run(async () =>
        {
            while (!Volatile.Read(ref stop))
            {
                GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }
        });
        await using (var server = await LoopServer.StartAsync(connection => EchoUntilAbortedAsync(connection), loops: 2))
        {
            await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
            {
                var random = new Random((seed * 100) + worker);
                for (var i = 0; i < 400; i++)
                {
                    await RunClientAsync(server, random);
                }
            }))).WaitAsync(TimeSpan.FromMinutes(2));
            Volatile.Write(ref stop, true);
            await collecting;
            Assert.Empty(server.Log.WithId(9));
        }

        // The set and the wake-up of each of two loops stay, as those of the process do; and the runtime's own come and go.
        Assert.InRange(CountDescriptors(), 0, before + 4 + 8);
    }

    [LinuxFact]
    public async Task The_runtimes_socket_is_made_once_can_be_disposed_and_ends_with_the_connection()
    {
        var asked = new TaskCompletionSource<Socket>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await LoopServer.StartAsync(async connection =>
        {
            var feature = connection.Features.Get<IConnectionSocketFeature>()!;
            var socket = feature.Socket;
            Assert.Same(socket, feature.Socket);
            Assert.True(socket.NoDelay);
            Assert.Equal(connection.RemoteEndPoint, socket.RemoteEndPoint);
            Assert.Equal(connection.LocalEndPoint, socket.LocalEndPoint);
            asked.TrySetResult(socket);
            await LoopServer.EchoAsync(connection);
        });
        using (var client = await server.ConnectAsync())
        {
            await EchoAsync(client, [1, 2, 3]);
            var socket = await asked.Task.Bounded();
            Assert.NotEqual(0, socket.ReceiveBufferSize);
            client.Shutdown(SocketShutdown.Send);
            Assert.Equal(0, await client.ReceiveAsync(new byte[1]).Bounded());
            Assert.True(SpinWait.SpinUntil(() => socket.SafeHandle.IsClosed, TestTimeout.Limit));
        }

        asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using (var client = await server.ConnectAsync())
        {
            await EchoAsync(client, [1, 2, 3]);
            (await asked.Task.Bounded()).Dispose();
            await EchoAsync(client, [4, 5, 6]);
        }
    }

    [LinuxFact]
    public async Task Urgent_data_is_passed_over_and_hides_nothing()
    {
        await using var server = await LoopServer.StartAsync(LoopServer.EchoAsync);
        using var client = await server.ConnectAsync();
        for (var i = 0; i < 200; i++)
        {
            await EchoAsync(client, [1]);
            client.Send([1, 2, 3]);
            client.Send([99], SocketFlags.OutOfBand);
            client.Send([4, 5, 6]);
            var received = new byte[6];
            for (var count = 0; count < received.Length;)
            {
                count += await client.ReceiveAsync(received.AsMemory(count)).Bounded();
            }

            Assert.Equal([1, 2, 3, 4, 5, 6], received);
        }
    }

    [Fact]
    public async Task The_last_user_closes_and_nobody_is_inside_then()
    {
        for (var round = 0; round < 2_000; round++)
        {
            var counted = new Counted();
            await Task.WhenAll(Enumerable.Range(0, 4).Select(user => Task.Run(() => counted.Use(user % 2 == 0))));
            Assert.Equal(1, counted.Closed);
            Assert.False(counted.WasInside);
        }
    }

    private sealed class Counted
    {
        private CountedDescriptor _descriptor = new(7);
        private int _inside;

        public int Closed;
        public bool WasInside;

        public void Use(bool releases)
        {
            for (var i = 0; i < 20 && _descriptor.TryEnter(out _); i++)
            {
                Interlocked.Increment(ref _inside);
                if (releases && i == 10)
                {
                    Assert.False(_descriptor.Release(out _, out _));
                }

                Interlocked.Decrement(ref _inside);
                if (_descriptor.Exit())
                {
                    Close();
                }
            }
        }

        private void Close()
        {
            WasInside |= Volatile.Read(ref _inside) != 0;
            Interlocked.Increment(ref Closed);
        }
    }

    private static int CountDescriptors() => Directory.EnumerateFileSystemEntries("/proc/self/fd").Count();

    /// <summary>Echoes, or is aborted by another thread at some moment, or ends early.</summary>
    private static async Task EchoUntilAbortedAsync(ConnectionContext connection)
    {
        var random = new Random(connection.GetHashCode());
        if (random.Next(3) == 0)
        {
            _ = connection.ConnectionClosed;
        }

        if (random.Next(4) == 0)
        {
            _ = Task.Run(() =>
            {
                Thread.SpinWait(random.Next(20_000));
                connection.Abort();
            });
        }
        else if (random.Next(4) == 0)
        {
            // Ends without having read, or in the middle of what the peer sends.
            var read = await connection.Transport.Input.ReadAsync();
            connection.Transport.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            return;
        }

        await LoopServer.EchoAsync(connection);
    }

    private static async Task RunClientAsync(LoopServer server, Random random)
    {
        try
        {
            using var client = await server.ConnectAsync();
            for (var message = random.Next(4); message >= 0; message--)
            {
                // Bytes that no other connection sends.
                var sent = new byte[random.Next(1, 40_000)];
                random.NextBytes(sent);
                var sending = client.SendAsync(sent);
                if (random.Next(6) == 0)
                {
                    break;
                }

                var received = new byte[sent.Length];
                for (var count = 0; count < received.Length;)
                {
                    var part = await client.ReceiveAsync(received.AsMemory(count)).Bounded();
                    Assert.Equal(sent.AsSpan(count, part), received.AsSpan(count, part));
                    if (part == 0)
                    {
                        return;
                    }

                    count += part;
                }

                await sending.Bounded();
            }

            if (random.Next(2) == 0)
            {
                client.LingerState = new LingerOption(true, 0);
            }
        }
        catch (SocketException)
        {
            // The server has aborted the connection, even before the connect was done.
        }
    }

    private static async Task EchoAsync(Socket client, byte[] message)
    {
        await client.SendAsync(message);
        var received = new byte[message.Length];
        for (var count = 0; count < received.Length;)
        {
            var part = await client.ReceiveAsync(received.AsMemory(count)).Bounded();
            Assert.NotEqual(0, part);
            count += part;
        }

        Assert.Equal(message, received);
    }
}
