using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Sockets.Listening;
using Peregrine.Sockets.Tuning;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Listening;

public sealed class EventArgsSharedPortTests() : SharedPortTests(TestedSocket.EventArgs);

public sealed class ThreadPoolSharedPortTests() : SharedPortTests(TestedSocket.ThreadPool);

public sealed class EventLoopSharedPortTests() : SharedPortTests(TestedSocket.EventLoop);

public abstract class SharedPortTests(TestedSocket tested) : IAsyncDisposable
{
    private const int Clients = 200;
    private static readonly IPEndPoint AnyLoopbackPort = new(IPAddress.Loopback, 0);

    private readonly LeakCheckingMemoryPool _pool = new();
    private readonly List<Socket> _clients = [];

    [LinuxFact]
    public async Task The_kernel_spreads_clients_over_the_listeners()
    {
        var sockets = ListeningSockets.Open(AnyLoopbackPort, 4, Clients, new SocketTuning(new SocketOptions()));
        try
        {
            await ConnectAsync(sockets[0].LocalEndPoint!, Clients);
            var shares = Array.ConvertAll(sockets, Drain);
            Assert.Equal(Clients, shares.Sum());
            Assert.DoesNotContain(0, shares);
        }
        finally
        {
            Array.ForEach(sockets, socket => socket.Dispose());
        }
    }

    [LinuxFact]
    public async Task One_call_at_a_time_serves_every_listener_and_unbind_loses_nothing()
    {
        await using var listener = await Transport(listeners: 4).BindAsync(AnyLoopbackPort);
        await ConnectAsync(listener.EndPoint, 10);
        for (var i = 0; i < 5; i++)
        {
            await ServeAsync(await listener.AcceptAsync().Bounded());
        }

        await ConnectAsync(listener.EndPoint, Clients - 10);
        await listener.UnbindAsync();
        for (var i = 5; i < Clients; i++)
        {
            await ServeAsync(await listener.AcceptAsync().Bounded());
        }

        Assert.Null(await listener.AcceptAsync().Bounded());
        foreach (var client in _clients)
        {
            var buffer = new byte[2];
            Assert.Equal(1, await client.ReceiveAsync(buffer).Bounded());
            Assert.Equal(0, await client.ReceiveAsync(buffer).Bounded());
        }
    }

    [LinuxTheory]
    [InlineData(1, 4)]
    [InlineData(4, 1)]
    [InlineData(4, 4)]
    public async Task A_port_is_never_shared_by_accident(int first, int second)
    {
        await using var listener = await Transport(first).BindAsync(AnyLoopbackPort);
        await Assert.ThrowsAsync<AddressInUseException>(async () => await Transport(second).BindAsync(listener.EndPoint));
    }

    [LinuxFact]
    public async Task Unbind_ends_every_accept_that_waits()
    {
        await using var listener = await Transport(listeners: 2, slots: 2).BindAsync(AnyLoopbackPort);
        var accepts = Enumerable.Range(0, 8).Select(_ => listener.AcceptAsync().AsTask()).ToArray();
        await listener.UnbindAsync();
        Assert.All(await Task.WhenAll(accepts).Bounded(), Assert.Null);
    }

    [LinuxFact]
    public async Task Dispose_resets_what_nobody_has_taken_and_frees_the_port()
    {
        var listener = await Transport(listeners: 4).BindAsync(new IPEndPoint(IPAddress.Loopback, FreePorts.Take(IPAddress.Loopback)));
        await ConnectAsync(listener.EndPoint, 20);
        await ServeAsync(await listener.AcceptAsync().Bounded());
        await listener.DisposeAsync().Bounded();
        Assert.Null(await listener.AcceptAsync().Bounded());
        await using var second = await Transport(listeners: 1).BindAsync(listener.EndPoint);
        var served = 0;
        foreach (var client in _clients)
        {
            try
            {
                served += await client.ReceiveAsync(new byte[1]).Bounded();
            }
            catch (SocketException exception)
            {
                Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
            }
        }

        Assert.Equal(1, served);
    }

    [LinuxFact]
    public async Task Dispose_before_the_first_accept_ends()
    {
        var listener = await Transport(listeners: 4).BindAsync(AnyLoopbackPort);
        await listener.DisposeAsync().Bounded();
        await listener.DisposeAsync().Bounded();
    }

    [Fact]
    public async Task A_Unix_domain_socket_refuses_several_listeners()
    {
        var exception = await Assert.ThrowsAsync<SocketOptionException>(
            async () => await Transport(listeners: 2).BindAsync(new UnixDomainSocketEndPoint("/tmp/peregrine-several.sock")));
        Assert.Equal("Listeners", exception.Option);
        Assert.False(File.Exists("/tmp/peregrine-several.sock"));
    }

    [Fact]
    public void Another_system_refuses_several_listeners()
    {
        OptionSupport.CheckListeners(1, AnyLoopbackPort, isLinux: false);
        var exception = Assert.Throws<SocketOptionException>(() => OptionSupport.CheckListeners(2, AnyLoopbackPort, isLinux: false));
        Assert.Contains("Linux only", exception.Message, StringComparison.Ordinal);
    }

    public async ValueTask DisposeAsync()
    {
        _clients.ForEach(client => client.Dispose());
        await _pool.WhenAllReturnedAsync(TestTimeout.Limit);
        _pool.Dispose();
    }

    private SocketTransportFactory Transport(int listeners, int slots = 1) =>
        new(new SocketTransportOptions { Listeners = listeners, AcceptSlots = slots, MemoryPool = _pool, Tested = tested }, NullLoggerFactory.Instance);

    private async Task ConnectAsync(EndPoint address, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _clients.Add(client);
            await client.ConnectAsync(address).Bounded();
        }
    }

    private static async Task ServeAsync(ConnectionContext? connection)
    {
        Assert.NotNull(connection);
        await connection.Transport.Output.WriteAsync(new byte[] { 42 });
        connection.Transport.Output.Complete();
        _ = connection.DisposeAsync().AsTask();
    }

    private static int Drain(Socket listening)
    {
        var count = 0;
        while (listening.Poll(0, SelectMode.SelectRead))
        {
            listening.Accept().Dispose();
            count++;
        }

        return count;
    }
}
