using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Listening;

public sealed class EventArgsSocketListenerTests() : SocketListenerTests(TestedSocket.EventArgs);

public sealed class ThreadPoolSocketListenerTests() : SocketListenerTests(TestedSocket.ThreadPool);

public sealed class EventLoopSocketListenerTests() : SocketListenerTests(TestedSocket.EventLoop);

public abstract class SocketListenerTests : IAsyncDisposable
{
    private static readonly IPEndPoint AnyLoopbackPort = new(IPAddress.Loopback, 0);

    private readonly LeakCheckingMemoryPool _pool = new();
    private readonly SocketTransportFactory _transport;
    private readonly TestedSocket _tested;

    public SocketListenerTests(TestedSocket tested)
    {
        _tested = tested;
        _transport = new(new SocketTransportOptions { MemoryPool = _pool, Tested = tested }, NullLoggerFactory.Instance);
    }

    [Fact]
    public async Task Port_zero_takes_a_free_port_and_tells_which()
    {
        await using var listener = await _transport.BindAsync(AnyLoopbackPort);
        Assert.NotEqual(0, Assert.IsType<IPEndPoint>(listener.EndPoint).Port);
    }

    [Fact]
    public async Task A_port_in_use_is_refused_by_name()
    {
        await using var listener = await _transport.BindAsync(AnyLoopbackPort);
        var exception = await Assert.ThrowsAsync<AddressInUseException>(async () => await _transport.BindAsync(listener.EndPoint));
        Assert.Contains(listener.EndPoint.ToString()!, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_endpoint_of_another_type_is_refused()
    {
        await Assert.ThrowsAsync<NotSupportedException>(async () => await _transport.BindAsync(new DnsEndPoint("localhost", 0)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_backlog_below_one_is_refused(int backlog)
    {
        var options = new SocketTransportOptions { Backlog = backlog };
        Assert.Throws<ArgumentOutOfRangeException>(() => new SocketTransportFactory(options, NullLoggerFactory.Instance));
    }

    [Fact]
    public async Task IPv6_any_listens_on_both_families()
    {
        await using var listener = await _transport.BindAsync(new IPEndPoint(IPAddress.IPv6Any, 0));
        var port = ((IPEndPoint)listener.EndPoint).Port;
        foreach (var address in new[] { IPAddress.Loopback, IPAddress.IPv6Loopback })
        {
            using var client = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(address, port);
            await using var connection = await listener.AcceptAsync().Bounded();
            client.Dispose();
            Assert.NotNull(connection);
        }
    }

    [Fact]
    public async Task The_connection_knows_both_ends_and_has_no_delay()
    {
        await using var listener = await _transport.BindAsync(AnyLoopbackPort);
        await using var client = await _transport.ConnectAsync(listener.EndPoint);
        var server = await listener.AcceptAsync().Bounded();
        Assert.NotNull(server);
        Assert.Equal(listener.EndPoint, server.LocalEndPoint);
        Assert.Equal(client.LocalEndPoint, server.RemoteEndPoint);
        Assert.NotEqual(client.ConnectionId, server.ConnectionId);
        var socket = server.Features.Get<Microsoft.AspNetCore.Connections.Features.IConnectionSocketFeature>()!.Socket;
        Assert.True(socket.NoDelay);
        server.Abort();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task Unbind_hands_out_what_the_kernel_has_queued_and_then_null()
    {
        await using var listener = await _transport.BindAsync(AnyLoopbackPort);
        var clients = new List<Socket>();
        for (var i = 0; i < 50; i++)
        {
            var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(listener.EndPoint);
            clients.Add(client);
        }

        await listener.UnbindAsync();
        for (var i = 0; i < clients.Count; i++)
        {
            var connection = await listener.AcceptAsync().Bounded();
            Assert.NotNull(connection);
            await connection.Transport.Output.WriteAsync(new byte[] { 42 });
            connection.Transport.Output.Complete();
            _ = connection.DisposeAsync().AsTask();
        }

        Assert.Null(await listener.AcceptAsync().Bounded());
        foreach (var client in clients)
        {
            var buffer = new byte[2];
            Assert.Equal(1, await client.ReceiveAsync(buffer).WaitAsync(TestTimeout.Limit));
            Assert.Equal(0, await client.ReceiveAsync(buffer).WaitAsync(TestTimeout.Limit));
            client.Dispose();
        }
    }

    [Fact]
    public async Task Unbind_ends_an_accept_that_waits()
    {
        await using var listener = await _transport.BindAsync(AnyLoopbackPort);
        var accept = listener.AcceptAsync();
        Assert.False(accept.IsCompleted);
        await listener.UnbindAsync();
        Assert.Null(await accept.Bounded());
    }

    [Fact]
    public async Task An_accept_can_be_cancelled_and_tried_again()
    {
        await using var listener = await _transport.BindAsync(AnyLoopbackPort);
        using var source = new CancellationTokenSource();
        var accept = listener.AcceptAsync(source.Token);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => accept.Bounded());

        await using var client = await _transport.ConnectAsync(listener.EndPoint);
        await using var server = await listener.AcceptAsync().Bounded();
        client.Abort();
        Assert.NotNull(server);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_slot_accepts_and_the_last_one_that_leaves_closes_the_socket(bool unbind)
    {
        const int Slots = 3;
        var options = new SocketTransportOptions { AcceptSlots = Slots, MemoryPool = _pool, Tested = _tested };
        await using var listener = await new SocketTransportFactory(options, NullLoggerFactory.Instance).BindAsync(FreeLoopbackPort());
        var accepts = Enumerable.Range(0, Slots + 1).Select(_ => listener.AcceptAsync().AsTask()).ToArray();
        for (var i = 0; i < accepts.Length; i++)
        {
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(listener.EndPoint);
        }

        foreach (var connection in await Task.WhenAll(accepts).Bounded())
        {
            Assert.NotNull(connection);
            connection.Abort();
            await connection.DisposeAsync();
        }

        accepts = [.. Enumerable.Range(0, Slots + 1).Select(_ => listener.AcceptAsync().AsTask())];
        await (unbind ? listener.UnbindAsync() : listener.DisposeAsync()).Bounded();
        Assert.All(await Task.WhenAll(accepts).Bounded(), Assert.Null);
        await using var second = await _transport.BindAsync(listener.EndPoint);
    }

    [Fact]
    public async Task Dispose_ends_an_accept_that_waits_and_frees_the_port()
    {
        var listener = await _transport.BindAsync(FreeLoopbackPort());
        var accept = listener.AcceptAsync();
        await listener.DisposeAsync();
        Assert.Null(await accept.Bounded());
        await using var second = await _transport.BindAsync(listener.EndPoint);
    }

    [Fact]
    public async Task A_connection_that_was_reset_in_the_queue_does_not_end_the_loop()
    {
        await using var listener = await _transport.BindAsync(AnyLoopbackPort);
        using (var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            await client.ConnectAsync(listener.EndPoint);
            client.LingerState = new LingerOption(true, 0);
        }

        await using var good = await _transport.ConnectAsync(listener.EndPoint);
        await good.Transport.Output.WriteAsync("hello"u8.ToArray());
        while (true)
        {
            // The reset one may come first, as a connection whose first read fails.
            var connection = await listener.AcceptAsync().Bounded();
            try
            {
                var result = await connection!.Transport.Input.ReadAtLeastAsync(5).Bounded();
                Assert.Equal(5, result.Buffer.Length);
                break;
            }
            catch (ConnectionResetException)
            {
            }
            finally
            {
                connection!.Abort();
                await connection.DisposeAsync();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _pool.WhenAllReturnedAsync(TestTimeout.Limit);
        _pool.Dispose();
    }

    /// <summary>For a listener that is followed by another one.</summary>
    private static IPEndPoint FreeLoopbackPort() => new(IPAddress.Loopback, FreePorts.Take(IPAddress.Loopback));
}
