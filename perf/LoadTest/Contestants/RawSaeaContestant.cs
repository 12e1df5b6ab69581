using System.Net;
using System.Net.Sockets;

namespace Peregrine.LoadTest.Contestants;

/// <summary>What SocketAsyncEventArgs can do with nothing above it: the limit for a transport that is built on them.</summary>
internal static class RawSaeaContestant
{
    private const int Backlog = 4096;

    public static Task<RunningServer> StartAsync(Service service)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(Backlog);
        var stopping = new CancellationTokenSource();
        var accepting = AcceptAsync(listener, service, stopping.Token);
        return Task.FromResult(new RunningServer(((IPEndPoint)listener.LocalEndPoint!).Port, async () =>
        {
            await stopping.CancelAsync();
            await accepting;
            listener.Dispose();
            stopping.Dispose();
        }));
    }

    private static async Task AcceptAsync(Socket listener, Service service, CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                var socket = await listener.AcceptAsync(stopping);
                socket.NoDelay = true;
                new RawSaeaConnection(socket, service).Start();
            }
        }
        catch (OperationCanceledException)
        {
        }
    }
}
