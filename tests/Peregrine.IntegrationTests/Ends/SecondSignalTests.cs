using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Ends;

/// <summary>Who sends a second signal does not want to wait.</summary>
public sealed class SecondSignalTests
{
    [Theory]
    [InlineData(ServerProcess.SigTerm)]
    [InlineData(ServerProcess.SigInt)]
    public async Task It_resets_what_is_left_and_the_process_ends_as_it_should(int second)
    {
        var (server, address) = await ServerProcess.StartListeningAsync("Echo", "--Peregrine:Endpoints:echo:Url=tcp://127.0.0.1:0", "--Peregrine:ShutdownTimeout=00:10:00");
        await using var _ = server;

        // A client that does not read holds the handler in its flush.
        using var client = await ConnectAsync(address);
        await SendUntilStuckAsync(client);
        server.Signal(ServerProcess.SigTerm);
        await WhenRefusedAsync(address);
        Assert.DoesNotContain("second signal", server.Output, StringComparison.Ordinal);

        server.Signal(second);
        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.Contains("connections were still open when a second signal came", server.Output, StringComparison.Ordinal);
    }

    private static async Task<Socket> ConnectAsync(IPEndPoint address)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await client.ConnectAsync(address);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    private static async Task SendUntilStuckAsync(Socket client)
    {
        var message = new byte[1 << 20];
        while (true)
        {
            using var stuck = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            try
            {
                await client.SendAsync(message, stuck.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private static async Task WhenRefusedAsync(IPEndPoint address)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < RealServer.Limit, "It never stopped listening.");
            try
            {
                using var late = await ConnectAsync(address);
                await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
            }
            catch (SocketException)
            {
                return;
            }
        }
    }
}
