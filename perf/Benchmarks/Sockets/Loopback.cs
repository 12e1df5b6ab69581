using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Sockets;

namespace Peregrine.Benchmarks.Sockets;

/// <summary>
/// Two connections over TCP on loopback: one of the transport and one of a plain socket, its rival. Their peers are sockets with blocking
/// calls, which allocate nothing.
/// </summary>
internal sealed class Loopback : IAsyncDisposable
{
    private readonly List<Thread> _discarding = [];

    private Loopback(ConnectionContext connection, Socket connectionPeer, Socket socket, Socket socketPeer) =>
        (Connection, ConnectionPeer, Socket, SocketPeer) = (connection, connectionPeer, socket, socketPeer);

    public ConnectionContext Connection { get; }

    public Socket ConnectionPeer { get; }

    public Socket Socket { get; }

    public Socket SocketPeer { get; }

    public static async Task<Loopback> ConnectAsync()
    {
        await using var listener = await ListenAsync();
        var connectionPeer = Connect(listener.EndPoint);
        var connection = (await listener.AcceptAsync())!;

        using var plainListener = ListenPlain();
        var socketPeer = Connect(plainListener.LocalEndPoint!);
        var socket = await plainListener.AcceptAsync();
        socket.NoDelay = true;
        return new Loopback(connection, connectionPeer, socket, socketPeer);
    }

    public static ValueTask<IConnectionListener> ListenAsync() =>
        new SocketTransportFactory(new SocketTransportOptions(), NullLoggerFactory.Instance).BindAsync(new IPEndPoint(IPAddress.Loopback, 0));

    public static Socket ListenPlain()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }

    public static Socket Connect(EndPoint endPoint)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Connect(endPoint);
        return socket;
    }

    /// <summary>Receives into all of <paramref name="buffer"/>.</summary>
    public static void Receive(Socket socket, byte[] buffer)
    {
        for (var received = 0; received < buffer.Length;)
        {
            var bytes = socket.Receive(buffer, received, buffer.Length - received, SocketFlags.None);
            received += bytes > 0 ? bytes : throw new InvalidOperationException("The connection has ended.");
        }
    }

    /// <summary>From here on the peers receive and forget, each on a thread of its own.</summary>
    public void DiscardAtPeers()
    {
        foreach (var peer in new[] { ConnectionPeer, SocketPeer })
        {
            var thread = new Thread(() => Discard(peer)) { IsBackground = true };
            thread.Start();
            _discarding.Add(thread);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Nobody disposes a socket that a thread receives from: each side ends by the other's FIN.
        ConnectionPeer.Shutdown(SocketShutdown.Send);
        Socket.Dispose();
        await Connection.DisposeAsync();
        _discarding.ForEach(thread => thread.Join());
        ConnectionPeer.Dispose();
        SocketPeer.Dispose();
    }

    private static void Discard(Socket socket)
    {
        var buffer = new byte[256 * 1024];
        while (socket.Receive(buffer, SocketFlags.None, out var error) > 0 && error == SocketError.Success)
        {
        }
    }
}
