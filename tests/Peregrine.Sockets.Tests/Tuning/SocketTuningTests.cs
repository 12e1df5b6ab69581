using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Tuning;

/// <summary>Options are read back from accepted sockets: what they do not have of the listening one is noticed here.</summary>
public sealed class SocketTuningTests : IAsyncDisposable
{
    private const int Tcp = 6;

    // Linux gives the bookkeeping as much as the data (socket(7)).
    private const int Doubled = 2;

    private static readonly IPEndPoint AnyLoopbackPort = new(IPAddress.Loopback, 0);

    private readonly LeakCheckingMemoryPool _pool = new();
    private readonly RecordedLog _log = new();

    [LinuxFact]
    public async Task The_defaults_are_no_delay_and_16_KiB_unsent_and_a_peer_that_is_gone_is_found_out_in_three_minutes()
    {
        await WithAcceptedAsync(_ => { }, AnyLoopbackPort, (accepted, connecting) =>
        {
            Assert.All([accepted, connecting], socket =>
            {
                Assert.True(socket.NoDelay);
                Assert.Equal(16_384, Raw(socket, Tcp, 25));
                Assert.Equal(1, (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive)!);
                Assert.Equal(120, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime)!);
                Assert.Equal(15, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval)!);
                Assert.Equal(4, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount)!);
                Assert.False(socket.LingerState!.Enabled);
            });
        });
        Assert.Empty(_log.WithId(6));
    }

    [LinuxFact]
    public async Task Keep_alive_of_zero_is_off()
    {
        static void Configure(SocketOptions socket)
        {
            socket.KeepAlive.Time = TimeSpan.Zero;
            socket.KeepAlive.Count = 3;
        }

        await WithAcceptedAsync(Configure, AnyLoopbackPort, (accepted, connecting) => Assert.All(
            [accepted, connecting], socket => Assert.Equal(0, (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive)!)));
    }

    [LinuxFact]
    public async Task Every_option_of_TCP_is_on_accepted_and_connecting_sockets()
    {
        static void Configure(SocketOptions socket)
        {
            socket.NoDelay = false;
            socket.KeepAlive.Time = TimeSpan.FromSeconds(61);
            socket.KeepAlive.Interval = TimeSpan.FromSeconds(7);
            socket.KeepAlive.Count = 3;
            socket.ReceiveBufferSizeInBytes = 100_000;
            socket.SendBufferSizeInBytes = 50_000;
            socket.Linger = TimeSpan.Zero;
            socket.UserTimeout = TimeSpan.FromMilliseconds(12_345);
            socket.UnsentLowWatermarkInBytes = 32_768;
            socket.Dscp = 46;
            socket.Device = "lo";
        }

        await WithAcceptedAsync(Configure, AnyLoopbackPort, (accepted, connecting) =>
        {
            Assert.All([accepted, connecting], socket =>
            {
                Assert.False(socket.NoDelay);
                Assert.Equal(1, (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive)!);
                Assert.Equal(61, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime)!);
                Assert.Equal(7, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval)!);
                Assert.Equal(3, (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount)!);
                Assert.Equal(100_000 * Doubled, socket.ReceiveBufferSize);
                Assert.Equal(50_000 * Doubled, socket.SendBufferSize);
                Assert.Equal((true, 0), (socket.LingerState!.Enabled, socket.LingerState.LingerTime));
                Assert.Equal(12_345, Raw(socket, Tcp, 18));
                Assert.Equal(32_768, Raw(socket, Tcp, 25));
                Assert.Equal(46 << 2, (int)socket.GetSocketOption(SocketOptionLevel.IP, SocketOptionName.TypeOfService)!);
                Assert.Equal("lo", DeviceOf(socket));
            });
        });
        Assert.Empty(_log.WithId(6));
    }

    [LinuxFact]
    public async Task The_code_point_is_set_for_both_families_of_a_dual_stack_listener()
    {
        await using var listener = await Transport(socket => socket.Dscp = 10).BindAsync(new IPEndPoint(IPAddress.IPv6Any, 0));
        foreach (var address in new[] { IPAddress.Loopback, IPAddress.IPv6Loopback })
        {
            using var client = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(address, ((IPEndPoint)listener.EndPoint).Port);
            await using var connection = await listener.AcceptAsync().Bounded();
            var socket = SocketOf(connection!);
            Assert.Equal(10 << 2, (int)socket.GetSocketOption(SocketOptionLevel.IP, SocketOptionName.TypeOfService)!);
            Assert.Equal(10 << 2, Raw(socket, 41, 67));
            connection!.Abort();
        }
    }

    [LinuxFact]
    public async Task Zero_leaves_unsent_bytes_to_the_system()
    {
        await WithAcceptedAsync(
            socket => socket.UnsentLowWatermarkInBytes = 0, AnyLoopbackPort, (accepted, _) => Assert.Equal(0, Raw(accepted, Tcp, 25)));
    }

    [LinuxFact]
    public async Task The_queue_of_fast_open_is_on_the_listener_and_a_kernel_that_has_it_off_is_reported()
    {
        const int Enabled = 2;
        var setting = int.Parse(await File.ReadAllTextAsync("/proc/sys/net/ipv4/tcp_fastopen"), System.Globalization.CultureInfo.InvariantCulture);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var options = new SocketTransportOptions { Socket = { FastOpenQueueLength = 77 } };
        new Sockets.Tuning.SocketTuning(options.Socket).ApplyToListening(socket, AnyLoopbackPort);
        socket.Bind(AnyLoopbackPort);
        socket.Listen();
        Assert.Equal(77, Raw(socket, Tcp, 23));

        await using var listener = await Transport(socket => socket.FastOpenQueueLength = 77).BindAsync(AnyLoopbackPort);
        Assert.Equal((setting & Enabled) == 0 ? 1 : 0, _log.WithId(7).Count);
    }

    [LinuxFact]
    public async Task What_the_kernel_lowers_is_reported_once_with_what_it_grants()
    {
        var transport = Transport(socket =>
        {
            socket.ReceiveBufferSizeInBytes = (1 << 30) - 1;
            socket.SendBufferSizeInBytes = (1 << 30) - 1;
        });
        await using var listener = await transport.BindAsync(AnyLoopbackPort);
        await using var second = await transport.BindAsync(AnyLoopbackPort);
        Assert.Collection(
            _log.WithId(6),
            message => AssertLowered(message, "Socket.ReceiveBufferSizeInBytes", "net.core.rmem_max"),
            message => AssertLowered(message, "Socket.SendBufferSizeInBytes", "net.core.wmem_max"));
    }

    [LinuxFact]
    public async Task A_backlog_that_the_kernel_lowers_is_reported()
    {
        await using var listener = await new SocketTransportFactory(new SocketTransportOptions { Backlog = int.MaxValue }, _log).BindAsync(AnyLoopbackPort);
        Assert.Contains("net.core.somaxconn", Assert.Single(_log.WithId(6)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task IPv6_only_leaves_IPv4_free()
    {
        var transport = Transport(socket => socket.IPv6Only = true);
        var port = FreePorts.Take(IPAddress.IPv6Any);
        await using var listener = await transport.BindAsync(new IPEndPoint(IPAddress.IPv6Any, port));
        await using var other = await Transport(_ => { }).BindAsync(new IPEndPoint(IPAddress.Any, port));
        using var client = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(IPAddress.IPv6Loopback, port);
        await using var connection = await listener.AcceptAsync().Bounded();
        connection!.Abort();
    }

    [LinuxFact]
    public async Task An_unknown_device_is_named_with_a_remedy()
    {
        var exception = await Assert.ThrowsAsync<SocketOptionException>(
            async () => await Transport(socket => socket.Device = "peregrine0").BindAsync(AnyLoopbackPort));
        Assert.Equal("Socket.Device", exception.Option);
        Assert.Contains("\"peregrine0\"", exception.Message, StringComparison.Ordinal);
        Assert.Contains("no such network interface", exception.Message, StringComparison.Ordinal);
    }

    [LinuxFact]
    public async Task A_Unix_domain_socket_has_the_send_buffer_on_every_accepted_socket()
    {
        var address = new UnixDomainSocketEndPoint("\0peregrine-test-" + Guid.NewGuid().ToString("N"));
        await WithAcceptedAsync(socket => socket.SendBufferSizeInBytes = 50_000, address, (accepted, connecting) =>
        {
            Assert.Equal(50_000 * Doubled, accepted.SendBufferSize);
            Assert.Equal(50_000 * Doubled, connecting.SendBufferSize);
        });
    }

    [Fact]
    public async Task A_host_name_is_connected_at_the_address_that_answers()
    {
        await using var listener = await Transport(_ => { }).BindAsync(AnyLoopbackPort);
        await using var client = await Transport(_ => { }).ConnectAsync(new DnsEndPoint("localhost", ((IPEndPoint)listener.EndPoint).Port)).Bounded();
        await using var server = await listener.AcceptAsync().Bounded();
        Assert.Equal(listener.EndPoint, client.RemoteEndPoint);
        client.Abort();
    }

    public async ValueTask DisposeAsync()
    {
        await _pool.WhenAllReturnedAsync(TestTimeout.Limit);
        _pool.Dispose();
        _log.Dispose();
    }

    private static void AssertLowered(string message, string option, string sysctl)
    {
        Assert.Contains(option, message, StringComparison.Ordinal);
        Assert.Contains(sysctl, message, StringComparison.Ordinal);
    }

    private async Task WithAcceptedAsync(Action<SocketOptions> configure, EndPoint address, Action<Socket, Socket> check)
    {
        var transport = Transport(configure);
        await using var listener = await transport.BindAsync(address);
        await using var client = await transport.ConnectAsync(listener.EndPoint).Bounded();
        await using var server = await listener.AcceptAsync().Bounded();
        check(SocketOf(server!), SocketOf(client));
        client.Abort();
        server!.Abort();
    }

    private SocketTransportFactory Transport(Action<SocketOptions> configure)
    {
        var options = new SocketTransportOptions { MemoryPool = _pool };
        configure(options.Socket);
        return new SocketTransportFactory(options, _log);
    }

    private static Socket SocketOf(ConnectionContext connection) => connection.Features.Get<IConnectionSocketFeature>()!.Socket;

    private static int Raw(Socket socket, int level, int name)
    {
        Span<byte> value = stackalloc byte[sizeof(int)];
        Assert.Equal(sizeof(int), socket.GetRawSocketOption(level, name, value));
        return BitConverter.ToInt32(value);
    }

    private static string DeviceOf(Socket socket)
    {
        Span<byte> name = stackalloc byte[16];
        return Encoding.UTF8.GetString(name[..socket.GetRawSocketOption(1, 25, name)]).TrimEnd('\0');
    }
}
