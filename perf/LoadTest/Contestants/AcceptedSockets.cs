using System.Net;
using System.Net.Sockets;

namespace Peregrine.LoadTest.Contestants;

/// <summary>The least that accepts, for contestants that serve a plain socket each.</summary>
internal static class AcceptedSockets
{
    private const int Backlog = 4096;

    public static Task<RunningServer> ServeAsync(Action<Socket> serve)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(Backlog);
        var stopping = new CancellationTokenSource();
        var accepting = AcceptAsync(listener, serve, stopping.Token);
        return Task.FromResult(new RunningServer(((IPEndPoint)listener.LocalEndPoint!).Port, async () =>
        {
            await stopping.CancelAsync();
            await accepting;
            listener.Dispose();
            stopping.Dispose();
        }));
    }

    private static async Task AcceptAsync(Socket listener, Action<Socket> serve, CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                var socket = await listener.AcceptAsync(stopping);
                socket.NoDelay = true;
                serve(socket);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }
}
