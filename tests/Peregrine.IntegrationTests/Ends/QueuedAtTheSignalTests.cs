using System.Net;
using System.Net.Sockets;
using System.Text;
using Peregrine.IntegrationTests.Processes;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Ends;

/// <summary>A process whose connections are all still in the kernel's accept queue when SIGTERM comes.</summary>
public sealed class QueuedAtTheSignalTests(ITestOutputHelper output)
{
    private const int Connections = 500;

    [Theory]
    [InlineData("ThreadPool", 1)]
    [InlineData("Inline", 1)]
    [InlineData("ThreadPool", 4)]
    public async Task Every_connection_in_the_accept_queue_is_served(string scheduling, int listeners)
    {
        var (server, endPoint) = await ServerProcess.StartListeningAsync(
            "Echo",
            "--Peregrine:Endpoints:echo:Url=tcp://127.0.0.1:0",
            $"--Peregrine:Endpoints:echo:Scheduling={scheduling}",
            $"--Peregrine:Endpoints:echo:Listeners={listeners}");
        await using var _ = server;
        var clients = new List<Socket>();
        try
        {
            await server.PauseAsync();
            for (var i = 0; i < Connections; i++)
            {
                clients.Add(await AskAsync(endPoint, i));
            }

            Assert.Equal(Connections, RealServer.QueuedOn(endPoint.Port));
            server.Signal(ServerProcess.SigTerm);
            server.Continue();
            var ends = await Task.WhenAll(clients.Select(EndOfAsync)).WaitAsync(RealServer.Limit);
            var exitCode = await server.WaitForExitAsync();

            var served = ends.Where((end, i) => end == Line(i)).Count();
            output.WriteLine(
                $"{Connections} connections queued at SIGTERM: {served} served, {ends.Count(end => end is null)} resets, exit code {exitCode} ({scheduling}, {listeners} listeners)");
            Assert.Equal((Connections, 0), (served, exitCode));
            Assert.Contains("connections were open, 0 of them were reset", server.Output, StringComparison.Ordinal);
        }
        finally
        {
            clients.ForEach(client => client.Dispose());
        }
    }

    /// <summary>Every other client sends its FIN as well.</summary>
    private static async Task<Socket> AskAsync(IPEndPoint endPoint, int index)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await client.ConnectAsync(endPoint);
        await client.SendAsync(Encoding.ASCII.GetBytes(Line(index)));
        if (index % 2 == 0)
        {
            client.Shutdown(SocketShutdown.Send);
        }

        return client;
    }

    /// <summary>What the client gets until a clean end, or null if it was reset.</summary>
    private static async Task<string?> EndOfAsync(Socket client)
    {
        var answer = new MemoryStream();
        var buffer = new byte[256];
        try
        {
            while (await client.ReceiveAsync(buffer.AsMemory()) is > 0 and var count)
            {
                answer.Write(buffer, 0, count);
            }

            return Encoding.ASCII.GetString(answer.ToArray());
        }
        catch (SocketException)
        {
            return null;
        }
        finally
        {
            client.Dispose();
        }
    }

    private static string Line(int index) => $"line {index}\n";
}
