using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Listening;

/// <summary>Listening sockets that were opened elsewhere, and that others hold too.</summary>
public abstract partial class InheritedSocketTests(TestedSocket tested) : IDisposable
{
    private readonly LeakCheckingMemoryPool _pool = new();
    private readonly Socket _held = Listening();

    [LinuxFact]
    public async Task It_accepts_and_is_left_as_it_was()
    {
        _held.LingerState = new LingerOption(enable: true, seconds: 0); // As a careless owner would have left it.
        for (var round = 0; round < 20; round++)
        {
            var listener = await BindAsync(_held);
            Assert.Equal(_held.LocalEndPoint, listener.EndPoint);
            var accepting = listener.AcceptAsync();
            using (var client = await ConnectAsync())
            {
                var connection = (await accepting.Bounded())!;
                Assert.False(connection.Features.Get<IConnectionSocketFeature>()!.Socket.LingerState!.Enabled);
                await connection.Transport.Output.WriteAsync(new byte[10]);
                var closing = connection.DisposeAsync();
                Assert.Equal(10, await ReceiveToEndAsync(client));
                client.Dispose();
                await closing.Bounded();
            }

            var waiting = listener.AcceptAsync();
            await listener.UnbindAsync();
            Assert.Null(await waiting.Bounded());
            await listener.DisposeAsync();
            Assert.False(_held.LingerState!.Enabled);
        }
    }

    [LinuxFact]
    public async Task What_it_has_queued_is_left_to_who_comes_next()
    {
        var listener = await BindAsync(_held);
        using var first = await ConnectAsync();
        await listener.UnbindAsync();
        Assert.Null(await listener.AcceptAsync().Bounded());
        using var second = await ConnectAsync();
        await listener.DisposeAsync();
        using var third = await ConnectAsync();

        await using var next = await BindAsync(_held);
        foreach (var client in new[] { first, second, third })
        {
            var connection = (await next.AcceptAsync().Bounded())!;
            Assert.Equal(client.LocalEndPoint, connection.RemoteEndPoint);
            client.Dispose();
            await connection.DisposeAsync().Bounded();
        }
    }

    [LinuxFact]
    public async Task Programs_that_are_started_do_not_inherit_it()
    {
        Assert.Equal(0, Control(Descriptor(_held), 2, 0)); // F_SETFD
        await using var listener = await BindAsync(_held);
        Assert.Equal(1, Control(Descriptor(_held), 1, 0)); // F_GETFD
    }

    [LinuxFact]
    public async Task It_can_be_listened_on_twice_at_once()
    {
        await using var first = await BindAsync(_held);
        var second = await BindAsync(_held);
        await second.DisposeAsync();
        using var client = await ConnectAsync();
        var connection = (await first.AcceptAsync().Bounded())!;
        connection.Abort();
        await connection.DisposeAsync().Bounded();
    }

    [LinuxFact]
    public async Task A_number_that_has_become_another_sockets_is_that_socket()
    {
        await (await BindAsync(_held)).DisposeAsync();
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();
        Assert.Equal(Descriptor(_held), Duplicate(Descriptor(other), Descriptor(_held)));
        await using var listener = await BindAsync(_held);
        Assert.Equal(other.LocalEndPoint, listener.EndPoint);
    }

    [LinuxFact]
    public async Task The_file_of_a_unix_domain_socket_is_its_owners()
    {
        var path = Path.Combine(Path.GetTempPath(), $"peregrine-{Guid.NewGuid():N}.sock");
        using var held = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        held.Bind(new UnixDomainSocketEndPoint(path));
        held.Listen();
        await (await BindAsync(held)).DisposeAsync();
        Assert.True(File.Exists(path));
    }

    [LinuxFact]
    public async Task Anything_but_a_listening_stream_socket_is_refused()
    {
        using var udp = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await using var file = File.OpenRead("/proc/self/status");
        var cases = new (int Descriptor, string Expected)[]
        {
            (1_999_999, "without an open descriptor"),
            (Descriptor(udp), "is a Dgram socket"),
            (Descriptor(silent), "does not listen"),
            ((int)file.SafeFileHandle.DangerousGetHandle(), "is not a socket"),
        };
        foreach (var (descriptor, expected) in cases)
        {
            var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => BindAsync(descriptor));
            Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
        }

        Assert.Equal(0, file.Position); // Neither closed nor touched.
        Assert.NotEqual(-1, file.ReadByte());
    }

    [LinuxFact]
    public async Task What_is_decided_where_it_is_opened_cannot_be_set()
    {
        var cases = new (string Option, SocketTransportOptions Options)[]
        {
            ("Listeners", new() { Listeners = 2 }),
            ("Socket.Linger", new() { Socket = { Linger = TimeSpan.Zero } }),
            ("Socket.Device", new() { Socket = { Device = "lo" } }),
            ("Socket.IPv6Only", new() { Socket = { IPv6Only = true } }),
            ("Socket.FastOpenQueueLength", new() { Socket = { FastOpenQueueLength = 10 } }),
        };
        foreach (var (option, options) in cases)
        {
            var refused = await Assert.ThrowsAsync<SocketOptionException>(() => BindAsync(Descriptor(_held), options));
            Assert.Equal(option, refused.Option);
        }
    }

    [LinuxFact]
    public async Task The_options_of_connections_are_set()
    {
        await using var listener = await BindAsync(Descriptor(_held), new() { Socket = { KeepAlive = { Time = TimeSpan.FromSeconds(33) } } });
        using var client = await ConnectAsync();
        var connection = (await listener.AcceptAsync().Bounded())!;
        var socket = connection.Features.Get<IConnectionSocketFeature>()!.Socket;
        Assert.True(socket.NoDelay);
        Assert.Equal(33, socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime));
        connection.Abort();
        await connection.DisposeAsync().Bounded();
    }

    public void Dispose()
    {
        _held.Dispose();
        _pool.AssertAllReturned();
        _pool.Dispose();
    }

    private static Socket Listening()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(100);
        return socket;
    }

    private static int Descriptor(Socket socket) => (int)socket.SafeHandle.DangerousGetHandle();

    private Task<IConnectionListener> BindAsync(Socket held) => BindAsync(Descriptor(held));

    private async Task<IConnectionListener> BindAsync(int descriptor, SocketTransportOptions? options = null)
    {
        options ??= new SocketTransportOptions();
        options.MemoryPool = _pool;
        options.Tested = tested;
        return await new SocketTransportFactory(options, NullLoggerFactory.Instance).BindAsync(new FileHandleEndPoint((ulong)descriptor, FileHandleType.Auto));
    }

    private async Task<Socket> ConnectAsync()
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(_held.LocalEndPoint!).Bounded();
        return client;
    }

    private static async Task<int> ReceiveToEndAsync(Socket client)
    {
        var received = 0;
        while (await client.ReceiveAsync(new byte[100]).Bounded() is > 0 and var count)
        {
            received += count;
        }

        return received;
    }

    // dup2(2)
    [LibraryImport("libc", EntryPoint = "dup2")]
    private static partial int Duplicate(int from, int to);

    // fcntl(2)
    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command, int argument);
}

public sealed class InheritedSocketOfTheRuntimeTests() : InheritedSocketTests(TestedSocket.EventArgs);

public sealed class InheritedSocketOnTheThreadPoolTests() : InheritedSocketTests(TestedSocket.ThreadPool);

public sealed class InheritedSocketOnEventLoopsTests() : InheritedSocketTests(TestedSocket.EventLoop);
