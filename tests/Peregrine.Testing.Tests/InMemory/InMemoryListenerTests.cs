using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Contract;

namespace Peregrine.Testing.Tests.InMemory;

public sealed class InMemoryListenerTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);
    private readonly InMemoryTransport _transport = new();

    [Fact]
    public async Task Port_0_becomes_a_port_of_its_own()
    {
        await using var first = await _transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        await using var second = await _transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        var (one, two) = (Assert.IsType<IPEndPoint>(first.EndPoint), Assert.IsType<IPEndPoint>(second.EndPoint));
        Assert.NotEqual(0, one.Port);
        Assert.NotEqual(0, two.Port);
        Assert.NotEqual(one.Port, two.Port);
    }

    [Fact]
    public async Task An_endpoint_is_bound_once_and_free_after_unbind()
    {
        var endpoint = new IPEndPoint(IPAddress.Loopback, 7000);
        await using var first = await _transport.BindAsync(endpoint);
        await Assert.ThrowsAsync<AddressInUseException>(async () => await _transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 7000)));
        await first.UnbindAsync();
        await using var second = await _transport.BindAsync(endpoint);
        // The first listener is not the one that is bound now.
        await first.DisposeAsync();
        await using var client = await _transport.ConnectAsync(endpoint);
    }

    [Fact]
    public async Task Transports_know_nothing_of_each_other()
    {
        var endpoint = new IPEndPoint(IPAddress.Loopback, 7000);
        await using var listener = await _transport.BindAsync(endpoint);
        await using var other = await new InMemoryTransport().BindAsync(endpoint);
    }

    [Fact]
    public async Task Any_kind_of_endpoint_serves()
    {
        foreach (EndPoint endpoint in new EndPoint[] { new UnixDomainSocketEndPoint("/run/echo.sock"), new DnsEndPoint("echo", 7000), new NamedEndPoint() })
        {
            await using var listener = await _transport.BindAsync(endpoint);
            Assert.Same(endpoint, listener.EndPoint);
            await using var client = await _transport.ConnectAsync(endpoint);
            await using var server = await AcceptAsync(listener);
            Assert.Same(endpoint, client.RemoteEndPoint);
            Assert.Same(endpoint, server.LocalEndPoint);
        }
    }

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("::")]
    public async Task A_listener_on_any_address_is_found_by_its_port(string any)
    {
        await using var listener = await _transport.BindAsync(new IPEndPoint(IPAddress.Parse(any), 7000));
        await using var client = await _transport.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 7000));
        await using var server = await AcceptAsync(listener);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 7000), server.LocalEndPoint);
        Assert.Equal(client.LocalEndPoint, server.RemoteEndPoint);
        Assert.NotEqual(client.LocalEndPoint, client.RemoteEndPoint);
    }

    [Fact]
    public async Task Nobody_there_refuses()
    {
        var endpoint = new IPEndPoint(IPAddress.Loopback, 7000);
        Assert.Equal(SocketError.ConnectionRefused, (await Assert.ThrowsAsync<SocketException>(async () => await _transport.ConnectAsync(endpoint))).SocketErrorCode);
        var listener = await _transport.BindAsync(endpoint);
        await listener.UnbindAsync();
        Assert.Equal(SocketError.ConnectionRefused, (await Assert.ThrowsAsync<SocketException>(async () => await _transport.ConnectAsync(endpoint))).SocketErrorCode);
    }

    [Fact]
    public async Task Accept_waits_for_a_connection()
    {
        await using var listener = await BindAsync();
        var accepting = listener.AcceptAsync().AsTask();
        Assert.False(accepting.IsCompleted);
        await using var client = await _transport.ConnectAsync(listener.EndPoint);
        await using var server = await accepting.WaitAsync(Limit, TimeProvider.System);
        await client.Transport.Output.SendAsync(0, 10);
        await server!.Transport.Input.ReceiveAsync(0, 10);
    }

    [Fact]
    public async Task Accept_can_be_given_up_and_loses_no_connection()
    {
        await using var listener = await BindAsync();
        using var cancellation = new CancellationTokenSource();
        var accepting = listener.AcceptAsync(cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => accepting);
        await using var client = await _transport.ConnectAsync(listener.EndPoint);
        await using var server = await AcceptAsync(listener);
    }

    [Fact]
    public async Task Unbind_ends_a_waiting_accept()
    {
        await using var listener = await BindAsync();
        var accepting = listener.AcceptAsync().AsTask();
        await listener.UnbindAsync();
        Assert.Null(await accepting.WaitAsync(Limit, TimeProvider.System));
        Assert.Null(await listener.AcceptAsync());
    }

    [Fact]
    public async Task Unbind_resets_nothing_that_is_queued()
    {
        await using var listener = await BindAsync();
        await using var first = await _transport.ConnectAsync(listener.EndPoint);
        await using var second = await _transport.ConnectAsync(listener.EndPoint);
        await second.Transport.Output.SendAsync(0, 10);
        await listener.UnbindAsync();
        await using var firstServer = await AcceptAsync(listener);
        await using var secondServer = await AcceptAsync(listener);
        Assert.Null(await listener.AcceptAsync());
        await secondServer.Transport.Input.ReceiveAsync(0, 10);
        await firstServer.Transport.Output.SendAsync(0, 10);
        await first.Transport.Input.ReceiveAsync(0, 10);
    }

    [Fact]
    public async Task Dispose_resets_what_is_queued()
    {
        using var pool = new LeakCheckingMemoryPool();
        var transport = new InMemoryTransport(new InMemoryTransportOptions { Pool = pool });
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        await using (var client = await transport.ConnectAsync(listener.EndPoint))
        {
            await client.Transport.Output.SendAsync(0, 10);
            await listener.DisposeAsync();
            await listener.DisposeAsync();
            Assert.Null(await listener.AcceptAsync());
            await Assert.ThrowsAsync<ConnectionResetException>(async () => await client.Transport.Input.ReadAsync());
        }

        pool.AssertAllReturned();
    }

    [Fact]
    public async Task A_full_backlog_holds_connects_up()
    {
        var transport = new InMemoryTransport(new InMemoryTransportOptions { Backlog = 2 });
        await using var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        await using var first = await transport.ConnectAsync(listener.EndPoint);
        await using var second = await transport.ConnectAsync(listener.EndPoint);
        var waiting = transport.ConnectAsync(listener.EndPoint).AsTask();
        using var cancellation = new CancellationTokenSource();
        var givenUp = transport.ConnectAsync(listener.EndPoint, cancellation.Token).AsTask();
        Assert.False(waiting.IsCompleted);

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => givenUp);

        await using var server = await AcceptAsync(listener);
        await using var third = await waiting.WaitAsync(Limit, TimeProvider.System);

        waiting = transport.ConnectAsync(listener.EndPoint).AsTask();
        await listener.UnbindAsync();
        Assert.Equal(SocketError.ConnectionRefused, (await Assert.ThrowsAsync<SocketException>(() => waiting)).SocketErrorCode);
    }

    [Fact]
    public async Task Every_connection_has_its_own_id_and_both_sides_have_theirs()
    {
        await using var listener = await BindAsync();
        var ids = new HashSet<string>();
        for (int i = 0; i < 50; i++)
        {
            await using var client = await _transport.ConnectAsync(listener.EndPoint);
            await using var server = await AcceptAsync(listener);
            Assert.True(ids.Add(client.ConnectionId));
            Assert.True(ids.Add(server.ConnectionId));
        }
    }

    [Fact]
    public async Task A_failing_ConnectionClosed_callback_does_not_end_the_process()
    {
        await using var listener = await BindAsync();
        await using var client = await _transport.ConnectAsync(listener.EndPoint);
        await using var server = await AcceptAsync(listener);
        var ran = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var last = server.ConnectionClosed.UnsafeRegister(_ => ran.SetResult(), null);
        using var failing = server.ConnectionClosed.UnsafeRegister(_ => throw new FormatException("a bad callback"), null);
        client.Abort();
        await ran.Task.WaitAsync(Limit, TimeProvider.System);
    }

    [Fact]
    public void Options_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new InMemoryTransport(new InMemoryTransportOptions { Backlog = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new InMemoryTransport(new InMemoryTransportOptions { BlockSizeInBytes = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new InMemoryTransport(new InMemoryTransportOptions { PauseWriterThresholdInBytes = 0 }));
    }

    private ValueTask<IConnectionListener> BindAsync() => _transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));

    private static async Task<ConnectionContext> AcceptAsync(IConnectionListener listener) =>
        await listener.AcceptAsync().AsTask().WaitAsync(Limit, TimeProvider.System) ?? throw new InvalidOperationException("The listener was unbound.");

    private sealed class NamedEndPoint : EndPoint;
}
