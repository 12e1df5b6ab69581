using System.Net;
using System.Net.Sockets;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Samples;

public sealed class FirstServerTests
{
    [Fact]
    public async Task Every_chunk_is_answered_and_connects_and_disconnects_are_logged()
    {
        var (server, endPoint) = await ServerProcess.StartListeningAsync("FirstServer", "--Peregrine:Endpoints:first:Url=tcp://127.0.0.1:0");
        await using var _ = server;
        using (var client = new TcpClient())
        {
            await client.ConnectAsync(IPAddress.Loopback, endPoint.Port);
            var stream = client.GetStream();
            await stream.WriteAsync("hello"u8.ToArray());
            var answer = new byte["Server received: hello".Length];
            await stream.ReadExactlyAsync(answer).AsTask().WaitAsync(TimeSpan.FromMinutes(1));
            Assert.Equal("Server received: hello"u8, answer);
        }

        using var idle = new TcpClient();
        await idle.ConnectAsync(IPAddress.Loopback, endPoint.Port);
        server.Signal(ServerProcess.SigInt);
        Assert.Equal(0, await idle.GetStream().ReadAsync(new byte[1]).AsTask().WaitAsync(TimeSpan.FromMinutes(1)));
        idle.Dispose();
        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.Contains("disconnected", server.Output, StringComparison.OrdinalIgnoreCase);
    }
}
