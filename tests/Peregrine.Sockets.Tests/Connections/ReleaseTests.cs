using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peregrine.Sockets.Tests.Connections;

public sealed class EventArgsReleaseTests() : ReleaseTests(TestedSocket.EventArgs);

public sealed class ThreadPoolReleaseTests() : ReleaseTests(TestedSocket.ThreadPool);

public sealed class EventLoopReleaseTests() : ReleaseTests(TestedSocket.EventLoop);

/// <summary>What a connection leaves behind.</summary>
public abstract class ReleaseTests(TestedSocket tested)
{
    /// <summary>
    /// A finalizer would keep the whole connection, with all that it refers to, for one garbage collection more: of a server whose
    /// connections are short that is most of its memory.
    /// </summary>
    [Fact]
    public async Task A_closed_connection_leaves_nothing_to_finalize()
    {
        const int Connections = 500;
        var closed = await ConnectAndCloseAsync(Connections);

        // These references see also what is kept for a finalizer. The last connection may be on a stack still.
        GC.Collect();
        Assert.InRange(closed.Count(connection => connection.IsAlive), 0, Connections / 10);
    }

    private async Task<List<WeakReference>> ConnectAndCloseAsync(int connections)
    {
        var closed = new List<WeakReference>();
        var transport = new SocketTransportFactory(new SocketTransportOptions { Tested = tested }, NullLoggerFactory.Instance);
        await using var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        for (var i = 0; i < connections; i++)
        {
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(listener.EndPoint);
            var server = (await listener.AcceptAsync().Bounded())!;
            var reading = server.Transport.Input.ReadAsync();
            client.Send("x"u8);
            server.Transport.Input.AdvanceTo((await reading).Buffer.End);
            client.Shutdown(SocketShutdown.Send);
            Assert.True((await server.Transport.Input.ReadAsync()).IsCompleted);
            await server.DisposeAsync().AsTask().Bounded();
            closed.Add(new WeakReference(server, trackResurrection: true));
        }

        return closed;
    }
}
