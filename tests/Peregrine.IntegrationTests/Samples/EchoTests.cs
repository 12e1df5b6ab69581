using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Samples;

public sealed class EchoTests
{
    private const string AnyPort = "--Peregrine:Endpoints:echo:Url=tcp://127.0.0.1:0";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    [RequiresProgramFact("nc")]
    public async Task Netcat_gets_its_line_back()
    {
        var (server, endPoint) = await ServerProcess.StartListeningAsync("Echo", AnyPort);
        await using var _ = server;
        Assert.Equal("hello\n", await ClientProcess.RunShellAsync($"echo hello | nc -N {endPoint.Address} {endPoint.Port}"));
    }

    [RequiresProgramFact("socat")]
    public async Task A_file_comes_back_through_socat_unchanged()
    {
        var directory = Directory.CreateTempSubdirectory("peregrine-");
        try
        {
            var sent = Path.Combine(directory.FullName, "sent");
            await File.WriteAllBytesAsync(sent, RandomNumberGenerator.GetBytes(128 * 1024 * 1024));
            var (server, endPoint) = await ServerProcess.StartListeningAsync("Echo", AnyPort);
            await using var _ = server;
            await ClientProcess.RunShellAsync($"socat -b 65536 -t 30 - TCP:{endPoint} < sent > received", directory.FullName);

            await using var expected = File.OpenRead(sent);
            await using var actual = File.OpenRead(Path.Combine(directory.FullName, "received"));
            Assert.Equal(expected.Length, actual.Length);
            Assert.Equal(await SHA256.HashDataAsync(expected), await SHA256.HashDataAsync(actual));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Two_thousand_connections_echo_at_once()
    {
        var (server, endPoint) = await ServerProcess.StartListeningAsync("Echo", AnyPort);
        await using var _ = server;
        var clients = new List<Socket>();
        try
        {
            for (var i = 0; i < 2_000; i++)
            {
                clients.Add(await ConnectAsync(endPoint));
            }

            for (var round = 0; round < 3; round++)
            {
                await Task.WhenAll(clients.Select((client, i) => ExchangeAsync(client, BitConverter.GetBytes((i * 31) + round))));
            }
        }
        finally
        {
            clients.ForEach(client => client.Dispose());
        }
    }

    [Fact]
    public async Task Inline_scheduling_is_set_up_by_the_setting_alone()
    {
        var (server, endPoint) = await ServerProcess.StartListeningAsync("Echo", AnyPort, "--Peregrine:Endpoints:echo:Scheduling=Inline");
        await using var _ = server;
        var clients = new List<Socket>();
        for (var i = 0; i < 50; i++)
        {
            clients.Add(await ConnectAsync(endPoint));
        }

        await Task.WhenAll(clients.Select((client, i) => ExchangeAsync(client, RandomNumberGenerator.GetBytes(1 + (i * 1000)))));
        clients.ForEach(client => client.Dispose());
        server.Signal(ServerProcess.SigTerm);
        Assert.Equal(0, await server.WaitForExitAsync());

        // It would say so if it had to fall back to the thread pool. (On a busy machine it may say that a loop was held.)
        Assert.DoesNotContain("is not possible", server.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ServerProcess.SigInt)]
    [InlineData(ServerProcess.SigTerm)]
    public async Task A_signal_stops_it_with_exit_code_0_and_the_message_in_flight_answered(int signal)
    {
        var (server, endPoint) = await ServerProcess.StartListeningAsync("Echo", AnyPort);
        await using var _ = server;
        using var idle = await ConnectAsync(endPoint);
        await ExchangeAsync(idle, "hello"u8.ToArray());
        using var busy = await ConnectAsync(endPoint);
        await ExchangeAsync(busy, "hello"u8.ToArray());

        // No more than the server's kernel takes before anything is read: all of it has arrived when the signal comes.
        var message = RandomNumberGenerator.GetBytes(32 * 1024);
        await busy.SendAsync(message);
        server.Signal(signal);
        var answer = await ReceiveToTheEndAsync(busy);
        busy.Dispose();
        Assert.Equal(message, answer);
        Assert.Empty(await ReceiveToTheEndAsync(idle));
        idle.Dispose();
        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.Contains("Stopped", server.Output, StringComparison.Ordinal);
    }

    private static async Task<Socket> ConnectAsync(IPEndPoint endPoint)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(endPoint).WaitAsync(Limit);
        return socket;
    }

    private static async Task ExchangeAsync(Socket client, byte[] message)
    {
        await client.SendAsync(message);
        var answer = new byte[message.Length];
        for (var received = 0; received < answer.Length;)
        {
            var count = await client.ReceiveAsync(answer.AsMemory(received)).AsTask().WaitAsync(Limit);
            Assert.NotEqual(0, count);
            received += count;
        }

        Assert.Equal(message, answer);
    }

    private static async Task<byte[]> ReceiveToTheEndAsync(Socket client)
    {
        var answer = new MemoryStream();
        var buffer = new byte[4096];
        while (await client.ReceiveAsync(buffer.AsMemory()).AsTask().WaitAsync(Limit) is > 0 and var count)
        {
            answer.Write(buffer, 0, count);
        }

        return answer.ToArray();
    }
}
