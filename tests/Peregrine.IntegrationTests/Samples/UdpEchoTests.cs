using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Samples;

public sealed class UdpEchoTests
{
    private const string AnyPort = "--Peregrine:Endpoints:echo:Url=tcp://127.0.0.1:0";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    [RequiresProgramFact("nc")]
    public async Task Netcat_gets_its_line_back()
    {
        var (server, endPoint) = await StartAsync();
        await using var _ = server;

        // It does not end by itself: there is no end in UDP.
        Assert.Equal("hello\n", await ClientProcess.RunShellAsync($"echo hello | nc -u -w 1 {endPoint.Address} {endPoint.Port}"));
    }

    [RequiresProgramFact("socat")]
    public async Task Socat_gets_every_size_back_up_to_the_largest()
    {
        var directory = Directory.CreateTempSubdirectory("peregrine-");
        try
        {
            var (server, endPoint) = await StartAsync();
            await using var _ = server;
            foreach (var size in (int[])[1, 1_472, 1_473, 65_507])
            {
                var sent = RandomNumberGenerator.GetBytes(size);
                await File.WriteAllBytesAsync(Path.Combine(directory.FullName, "sent"), sent);
                await ClientProcess.RunShellAsync($"socat -b 65536 -t 1 - UDP:{endPoint} < sent > received", directory.FullName);
                Assert.Equal(sent, await File.ReadAllBytesAsync(Path.Combine(directory.FullName, "received")));
            }
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [RequiresProgramFact("socat")]
    public async Task Ipv6_and_Ipv4_come_to_the_same_endpoint()
    {
        var (server, endPoint) = await StartAsync("udp://*:0");
        await using var _ = server;
        Assert.Equal("four\n", await ClientProcess.RunShellAsync($"echo four | socat -t 1 - UDP4:127.0.0.1:{endPoint.Port}"));
        Assert.Equal("six\n", await ClientProcess.RunShellAsync($"echo six | socat -t 1 - UDP6:[::1]:{endPoint.Port}"));

        // Of several addresses of the machine, the answer comes from the one that was asked: a connected socket takes no other.
        Assert.Equal("other\n", await ClientProcess.RunShellAsync($"echo other | socat -t 1 - UDP4:127.0.0.77:{endPoint.Port}"));
    }

    [Theory]
    [InlineData("ThreadPool", "Batched")]
    [InlineData("Inline", "Batched")]
    [InlineData("EventLoop", "Batched")]
    [InlineData("ThreadPool", "OneByOne")]
    public async Task A_signal_stops_it_under_traffic_with_exit_code_0_and_what_is_queued_answered(string scheduling, string io)
    {
        if (!OperatingSystem.IsLinux() && io == "Batched")
        {
            return;
        }

        var (server, endPoint) = await StartAsync(
            "udp://127.0.0.1:0", $"--Peregrine:Endpoints:echo-udp:Scheduling={scheduling}", $"--Peregrine:Endpoints:echo-udp:Io={io}");
        await using var _ = server;
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = 4 << 20 };
        await client.ConnectAsync(endPoint);
        Assert.Equal("first"u8.ToArray(), await ExchangeAsync(client, "first"u8.ToArray()));

        // It cannot run while they come, so that they are queued when the signal does.
        await server.PauseAsync();
        for (var i = 0; i < 100; i++)
        {
            await client.SendAsync(BitConverter.GetBytes(i));
        }

        server.Signal(ServerProcess.SigTerm);
        server.Continue();
        var answer = new byte[64];
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(4, await client.ReceiveAsync(answer.AsMemory()).AsTask().WaitAsync(Limit));
            Assert.Equal(i, BitConverter.ToInt32(answer));
        }

        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.Contains("101 datagrams were received since the start and 101 sent; 0 were dropped", server.Output, StringComparison.Ordinal);
    }

    private static async Task<(ServerProcess Server, IPEndPoint EndPoint)> StartAsync(string url = "udp://127.0.0.1:0", params string[] arguments)
    {
        var server = ServerProcess.Start("Echo", [AnyPort, $"--Peregrine:Endpoints:echo-udp:Url={url}", .. arguments]);
        return (server, await server.WhenReceiving);
    }

    private static async Task<byte[]> ExchangeAsync(Socket client, byte[] message)
    {
        await client.SendAsync(message);
        var answer = new byte[65_536];
        var count = await client.ReceiveAsync(answer.AsMemory()).AsTask().WaitAsync(Limit);
        return answer[..count];
    }
}
