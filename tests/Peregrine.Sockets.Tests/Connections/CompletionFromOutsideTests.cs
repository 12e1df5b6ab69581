using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Connections;

public sealed class EventArgsCompletionFromOutsideTests() : CompletionFromOutsideTests(TestedSocket.EventArgs);

public sealed class ThreadPoolCompletionFromOutsideTests() : CompletionFromOutsideTests(TestedSocket.ThreadPool);

public sealed class EventLoopCompletionFromOutsideTests() : CompletionFromOutsideTests(TestedSocket.EventLoop);

/// <summary>The server completes a connection when its handler is done, while somebody else may be inside a call of its reader or writer.</summary>
public abstract class CompletionFromOutsideTests(TestedSocket tested) : IAsyncDisposable
{
    private const int Rounds = 400;
    private readonly LeakCheckingMemoryPool _pool = new(64);
    private IConnectionListener? _listener;
    private SocketTransportFactory? _transport;

    [Fact]
    public async Task A_broadcast_that_meets_the_completion_damages_nothing()
    {
        for (var round = 0; round < Rounds; round++)
        {
            var (server, client) = await ConnectAsync();
            var draining = DrainAsync(client);
            var broadcasting = Task.Run(() => WriteUntilCompletedAsync(server.Transport.Output));
            await SpinAsync(round);
            await server.Transport.Output.CompleteAsync();
            await broadcasting.Bounded();
            await draining.Bounded();
            client.Dispose();
            await server.DisposeAsync().Bounded();
        }
    }

    [Fact]
    public async Task A_read_that_meets_the_completion_damages_nothing()
    {
        for (var round = 0; round < Rounds; round++)
        {
            var (server, client) = await ConnectAsync();
            var sending = Task.Run(() => SendUntilClosed(client));
            var reading = Task.Run(() => ReadUntilCompletedAsync(server.Transport.Input));
            await SpinAsync(round);
            server.Transport.Input.Complete();
            await reading.Bounded();
            client.Shutdown(SocketShutdown.Both);
            await sending.Bounded();
            client.Dispose();
            await server.DisposeAsync().Bounded();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_listener is not null)
        {
            await _listener.DisposeAsync();
        }

        await _pool.WhenAllReturnedAsync(TestTimeout.Limit);
        _pool.Dispose();
    }

    private async Task<(ConnectionContext Server, Socket Client)> ConnectAsync()
    {
        _transport ??= new SocketTransportFactory(new SocketTransportOptions { MemoryPool = _pool, Tested = tested }, NullLoggerFactory.Instance);
        _listener ??= await _transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await client.ConnectAsync(_listener.EndPoint);
        return ((await _listener.AcceptAsync().Bounded())!, client);
    }

    private static async Task WriteUntilCompletedAsync(PipeWriter output)
    {
        var message = new byte[200];
        try
        {
            while (!(await output.WriteAsync(message)).IsCompleted)
            {
            }
        }
        catch (InvalidOperationException)
        {
            // Writing is not allowed any more.
        }
    }

    private static async Task ReadUntilCompletedAsync(PipeReader input)
    {
        try
        {
            while (true)
            {
                // Not looked into: a result that is held over a completion has lost its buffer, as with any pipe.
                var read = await input.ReadAsync();
                input.AdvanceTo(read.Buffer.End);
            }
        }
        catch (InvalidOperationException)
        {
            // Reading is not allowed any more.
        }
    }

    private static async Task DrainAsync(Socket client)
    {
        var buffer = new byte[64 * 1024];
        while (await client.ReceiveAsync(buffer) > 0)
        {
        }
    }

    private static void SendUntilClosed(Socket client)
    {
        try
        {
            while (client.Send(new byte[300]) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // Shut down, or the server is gone.
        }
    }

    /// <summary>Lets the other side run for a moment that differs from round to round.</summary>
    private static async Task SpinAsync(int round)
    {
        await Task.Yield();
        Thread.SpinWait(round * 50);
    }
}
