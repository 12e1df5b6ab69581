using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Sockets;
using Peregrine.Testing;

namespace Peregrine.Server.Tests.Connections;

/// <summary>Peers that reset, half-close or stall in the middle of a message, against the whole server over TCP.</summary>
public sealed class HostilePeerTests
{
    private const int Peers = 10_000;
    private const int AtOnce = 100;
    private const int MessageSize = 20_000;
    private const int AnswerSize = 300_000;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    [Theory]
    [InlineData(ConnectionScheduling.ThreadPool)]
    [InlineData(ConnectionScheduling.EventLoop)]
    public async Task Ten_thousand_of_them_leave_no_block_rented_and_no_exception_behind(ConnectionScheduling scheduling)
    {
        using var unobserved = new UnobservedExceptions();
        using var pool = new LeakCheckingMemoryPool();
        var log = new RecordedLog();
        using var host = BuildServer(pool, log, scheduling);
        await host.StartAsync().InTimeAsync();
        var address = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0];
        var turns = new SemaphoreSlim(AtOnce);
        await Task.WhenAll(Enumerable.Range(0, Peers).Select(seed => AttackAsync(seed))).WaitAsync(Limit, TimeProvider.System);
        await BehaveAsync(address);
        await pool.WhenAllReturnedAsync(TestServer.Limit);
        await host.StopAsync().InTimeAsync();

        async Task AttackAsync(int seed)
        {
            await turns.WaitAsync();
            try
            {
                await AttackOnceAsync(address, new Random(seed));
            }
            finally
            {
                turns.Release();
            }
        }

        Assert.Empty(unobserved.Collect());
        Assert.DoesNotContain(log.Entries, entry => entry.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task Those_that_never_end_their_message_are_counted_and_flood_no_log()
    {
        const int Endless = 20;
        var log = new RecordedLog();
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.SetMinimumLevel(LogLevel.Debug).AddProvider(log);
        builder.Services.AddPeregrine(server => server.Listen(
            "tcp://127.0.0.1:0", endpoint => endpoint.MaxUnreadBytes = 10_000, tcp => tcp.Run(async connection => await connection.Transport.Input.ReadAtLeastAsync(1 << 20))));
        using var host = builder.Build();
        await host.StartAsync().InTimeAsync();
        var endpoint = host.Services.GetRequiredService<PeregrineServer>().Endpoints[0];
        for (var i = 0; i < Endless; i++)
        {
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(endpoint.Addresses[0]);
            await client.SendAsync(new byte[50_000]);
            Assert.Equal(0, await client.ReceiveAsync(new byte[1]));
        }

        await endpoint.WaitForConnectionsAsync(0).InTimeAsync();
        Assert.Equal(Endless, log.WithId(10).Count(entry => entry.Message.Contains("(UnreadLimit)", StringComparison.Ordinal)));
        Assert.Equal(Endless, log.WithId(30).Count);
        var warning = Assert.Single(log.Entries, entry => entry.Level >= LogLevel.Warning);
        Assert.Contains("MaxUnreadBytes (10000)", warning.Message, StringComparison.Ordinal);
        await host.StopAsync().InTimeAsync();
    }

    private static IHost BuildServer(LeakCheckingMemoryPool pool, RecordedLog log, ConnectionScheduling scheduling)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.SetMinimumLevel(LogLevel.Debug).AddProvider(log);
        builder.Services.AddPeregrine(server => server
            .UseTransport(new SocketTransportFactory(new SocketTransportOptions { MemoryPool = pool, Scheduling = scheduling }, NullLoggerFactory.Instance))
            .Listen("tcp://127.0.0.1:0", tcp => tcp.Run(AnswerAsync))
            .Configure(options => options.ThrowOnStartFailure = true));
        return builder.Build();
    }

    /// <summary>Messages with their length in front; each is answered.</summary>
    private static async Task AnswerAsync(ConnectionContext connection)
    {
        var answer = new byte[AnswerSize];
        while (true)
        {
            var read = await connection.Transport.Input.ReadAtLeastAsync(sizeof(int));
            if (read.Buffer.Length < sizeof(int))
            {
                return;
            }

            var head = new byte[sizeof(int)];
            read.Buffer.Slice(0, sizeof(int)).CopyTo(head);
            var length = sizeof(int) + BinaryPrimitives.ReadInt32LittleEndian(head);
            connection.Transport.Input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            read = await connection.Transport.Input.ReadAtLeastAsync(length);
            if (read.Buffer.Length < length)
            {
                return;
            }

            connection.Transport.Input.AdvanceTo(read.Buffer.GetPosition(length));
            await connection.Transport.Output.WriteAsync(answer);
        }
    }

    private static byte[] Message()
    {
        var message = new byte[sizeof(int) + MessageSize];
        BinaryPrimitives.WriteInt32LittleEndian(message, MessageSize);
        return message;
    }

    private static async Task AttackOnceAsync(EndPoint address, Random random)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address);
        var message = Message();
        switch (random.Next(4))
        {
            case 0: // Resets at any byte.
                await socket.SendAsync(message.AsMemory(0, random.Next(message.Length)));
                break;
            case 1: // Stalls at any byte, and resets.
                await socket.SendAsync(message.AsMemory(0, random.Next(message.Length)));
                await Task.Delay(TimeSpan.FromMilliseconds(random.Next(50)), TimeProvider.System);
                break;
            case 2: // Half-closes at any byte, and waits for the server's end.
                await socket.SendAsync(message.AsMemory(0, random.Next(message.Length)));
                socket.Shutdown(SocketShutdown.Send);
                Assert.Equal(0, await socket.ReceiveAsync(new byte[1]));
                return;
            default: // Resets in the middle of the answer.
                await socket.SendAsync(message);
                await socket.ReceiveAsync(new byte[random.Next(1, AnswerSize)]);
                break;
        }

        socket.Close(timeout: 0);
    }

    private static async Task BehaveAsync(EndPoint address)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address);
        await socket.SendAsync(Message());
        var buffer = new byte[AnswerSize];
        for (var received = 0; received < AnswerSize;)
        {
            received += await socket.ReceiveAsync(buffer.AsMemory(received)).AsTask().InTimeAsync();
        }
    }
}
