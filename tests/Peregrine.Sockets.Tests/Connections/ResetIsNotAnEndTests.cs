using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Features;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Connections;

public sealed class EventArgsResetIsNotAnEndTests() : ResetIsNotAnEndTests(TestedSocket.EventArgs);

public sealed class ThreadPoolResetIsNotAnEndTests() : ResetIsNotAnEndTests(TestedSocket.ThreadPool);

public sealed class EventLoopResetIsNotAnEndTests() : ResetIsNotAnEndTests(TestedSocket.EventLoop);

/// <summary>The kernel reports a reset once. Whoever asks later must not take it for the end of the stream.</summary>
public abstract class ResetIsNotAnEndTests(TestedSocket tested) : IAsyncDisposable
{
    private readonly LeakCheckingMemoryPool _pool = new();

    [Fact]
    public async Task A_reset_that_a_send_has_seen_first_fails_the_next_read()
    {
        var transport = new SocketTransportFactory(new SocketTransportOptions { MemoryPool = _pool, Tested = tested }, NullLoggerFactory.Instance);
        await using var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.EndPoint);
        await using var server = (await listener.AcceptAsync().Bounded())!;

        client.LingerState = new LingerOption(true, 0);
        client.Dispose();
        while (!(await server.Transport.Output.WriteAsync(new byte[1]).Bounded()).IsCompleted)
        {
            await Task.Yield();
        }

        await Assert.ThrowsAsync<ConnectionResetException>(() => server.Transport.Input.ReadAsync().Bounded());
        Assert.Equal(ConnectionCloseReason.PeerReset, server.Features.Get<IConnectionCloseFeature>()!.Reason);
    }

    [Fact]
    public async Task A_reset_whose_report_somebody_else_took_fails_the_next_read()
    {
        var transport = new SocketTransportFactory(new SocketTransportOptions { MemoryPool = _pool, Tested = tested }, NullLoggerFactory.Instance);
        await using var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.EndPoint);
        await using var server = (await listener.AcceptAsync().Bounded())!;

        client.LingerState = new LingerOption(true, 0);
        client.Dispose();
        var socket = server.Features.Get<Microsoft.AspNetCore.Connections.Features.IConnectionSocketFeature>()!.Socket;
        while ((int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)! == 0)
        {
            await Task.Yield();
        }

        await Assert.ThrowsAsync<ConnectionResetException>(() => server.Transport.Input.ReadAsync().Bounded());
    }

    [VanishingPeerFact]
    public async Task A_reset_that_comes_in_the_middle_of_a_send_is_no_end()
    {
        var transport = new SocketTransportFactory(new SocketTransportOptions { MemoryPool = _pool }, NullLoggerFactory.Instance);
        await using var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.EndPoint);
        await using var server = (await listener.AcceptAsync().Bounded())!;

        // The first bytes meet nobody, and their answer is there before the kernel is asked to take the rest.
        VanishingPeerFactAttribute.TurnRepairOn(client);
        client.Dispose();
        Assert.True((await server.Transport.Output.WriteAsync(new byte[16 * 1024 * 1024]).Bounded()).IsCompleted);
        Assert.Equal(ConnectionCloseReason.PeerReset, server.Features.Get<IConnectionCloseFeature>()!.Reason);
        await Assert.ThrowsAsync<ConnectionResetException>(() => server.Transport.Input.ReadAsync().Bounded());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task An_end_that_came_before_the_reset_is_an_end(int sends)
    {
        var transport = new SocketTransportFactory(new SocketTransportOptions { MemoryPool = _pool, Tested = tested }, NullLoggerFactory.Instance);
        await using var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.EndPoint);
        await using var server = (await listener.AcceptAsync().Bounded())!;

        // All is sent, and the end too; what comes after that is answered with a reset.
        await client.SendAsync("hello"u8.ToArray());
        client.Dispose();
        var read = await server.Transport.Input.ReadAsync().Bounded();
        Assert.Equal(5, read.Buffer.Length);
        server.Transport.Input.AdvanceTo(read.Buffer.End);
        for (var i = 0; i < sends; i++)
        {
            await server.Transport.Output.WriteAsync("answer"u8.ToArray()).Bounded();
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }

        read = await server.Transport.Input.ReadAsync().Bounded();
        Assert.True(read.IsCompleted);
        Assert.True(read.Buffer.IsEmpty);
        server.Transport.Input.AdvanceTo(read.Buffer.End);
        Assert.Equal(ConnectionCloseReason.PeerClosed, server.Features.Get<IConnectionCloseFeature>()!.Reason);
    }

    public async ValueTask DisposeAsync()
    {
        await _pool.WhenAllReturnedAsync(TestTimeout.Limit);
        _pool.Dispose();
    }
}
