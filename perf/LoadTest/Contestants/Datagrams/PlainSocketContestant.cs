using System.Net;
using System.Net.Sockets;

namespace Peregrine.LoadTest.Contestants.Datagrams;

/// <summary>A plain socket and a loop, in the ways in which it is usually written: one datagram with each call.</summary>
internal static class PlainSocketContestant
{
    // More than the largest datagram of a scenario.
    private const int BufferSize = 2_048;

    // What every contestant asks for.
    public const int ReceiveBufferSize = 4 << 20;

    /// <summary>By the overloads with end points, which is what the documentation shows.</summary>
    public static Task<RunningServer> StartWithEndPointsAsync(Service service) => StartAsync(
        (socket, stopping) => Task.Run(() => ServeWithEndPointsAsync(socket, service, stopping), CancellationToken.None));

    /// <summary>By the overloads with <see cref="SocketAddress"/>, which allocate no end point.</summary>
    public static Task<RunningServer> StartWithSocketAddressesAsync(Service service) => StartAsync(
        (socket, stopping) => Task.Run(() => ServeWithSocketAddressesAsync(socket, service, stopping), CancellationToken.None));

    /// <summary>A thread that blocks, which a server with one socket can afford.</summary>
    public static Task<RunningServer> StartBlockingAsync(Service service) => StartAsync(
        (socket, _) => Task.Factory.StartNew(() => ServeBlocking(socket, service), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));

    private static Task<RunningServer> StartAsync(Func<Socket, CancellationToken, Task> serve)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = ReceiveBufferSize };
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var stopping = new CancellationTokenSource();
        var serving = serve(socket, stopping.Token);
        return Task.FromResult(new RunningServer(((IPEndPoint)socket.LocalEndPoint!).Port, async () =>
        {
            await stopping.CancelAsync();
            socket.Dispose();
            await serving.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            stopping.Dispose();
        }));
    }

    private static async Task ServeWithEndPointsAsync(Socket socket, Service service, CancellationToken stopping)
    {
        var (buffer, answer, any) = (new byte[BufferSize], SourceRequest.CreateAnswer(), new IPEndPoint(IPAddress.Any, 0));
        while (true)
        {
            var received = await socket.ReceiveFromAsync(buffer.AsMemory(), SocketFlags.None, any, stopping);
            var datagram = buffer.AsMemory(0, received.ReceivedBytes);
            if (service == Service.Sink)
            {
                SinkCount.Add(1);
            }
            else if (service == Service.Echo)
            {
                await socket.SendToAsync(datagram, SocketFlags.None, received.RemoteEndPoint, stopping);
            }
            else if (SourceRequest.TryRead(datagram.Span) is { } request)
            {
                for (var i = 0; i < request.Count; i++)
                {
                    request.WriteHead(answer, i);
                    await socket.SendToAsync(answer.AsMemory(), SocketFlags.None, received.RemoteEndPoint, stopping);
                }
            }
        }
    }

    private static async Task ServeWithSocketAddressesAsync(Socket socket, Service service, CancellationToken stopping)
    {
        var (buffer, answer, peer) = (new byte[BufferSize], SourceRequest.CreateAnswer(), new SocketAddress(AddressFamily.InterNetwork));
        while (true)
        {
            var count = await socket.ReceiveFromAsync(buffer.AsMemory(), SocketFlags.None, peer, stopping);
            var datagram = buffer.AsMemory(0, count);
            if (service == Service.Sink)
            {
                SinkCount.Add(1);
            }
            else if (service == Service.Echo)
            {
                await socket.SendToAsync(datagram, SocketFlags.None, peer, stopping);
            }
            else if (SourceRequest.TryRead(datagram.Span) is { } request)
            {
                for (var i = 0; i < request.Count; i++)
                {
                    request.WriteHead(answer, i);
                    await socket.SendToAsync(answer.AsMemory(), SocketFlags.None, peer, stopping);
                }
            }
        }
    }

    private static void ServeBlocking(Socket socket, Service service)
    {
        var (buffer, answer, peer) = (new byte[BufferSize], SourceRequest.CreateAnswer(), new SocketAddress(AddressFamily.InterNetwork));
        while (true)
        {
            var datagram = buffer.AsSpan(0, socket.ReceiveFrom(buffer.AsSpan(), SocketFlags.None, peer));
            if (service == Service.Sink)
            {
                SinkCount.Add(1);
            }
            else if (service == Service.Echo)
            {
                socket.SendTo(datagram, SocketFlags.None, peer);
            }
            else if (SourceRequest.TryRead(datagram) is { } request)
            {
                for (var i = 0; i < request.Count; i++)
                {
                    request.WriteHead(answer, i);
                    socket.SendTo(answer.AsSpan(), SocketFlags.None, peer);
                }
            }
        }
    }
}
