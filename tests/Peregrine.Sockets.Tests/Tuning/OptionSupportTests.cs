using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Sockets.Tuning;

namespace Peregrine.Sockets.Tests.Tuning;

public sealed class OptionSupportTests
{
    private static readonly IPEndPoint IPv4 = new(IPAddress.Loopback, 7000);
    private static readonly UnixDomainSocketEndPoint Unix = new("/tmp/peregrine.sock");

    public static TheoryData<string, Action<SocketTransportOptions>> OutOfRange => new()
    {
        { "Backlog", options => options.Backlog = 0 },
        { "Listeners", options => options.Listeners = 0 },
        { "Listeners", options => options.Listeners = 1025 },
        { "AcceptSlots", options => options.AcceptSlots = 0 },
        { "MaxUnreadBytes", options => options.MaxUnreadBytes = 0 },
        { "Socket.KeepAlive.Time", options => options.Socket.KeepAlive.Time = TimeSpan.FromSeconds(-1) },
        { "Socket.KeepAlive.Time", options => options.Socket.KeepAlive.Time = TimeSpan.FromSeconds(1.5) },
        { "Socket.KeepAlive.Interval", options => options.Socket.KeepAlive.Interval = TimeSpan.FromSeconds(32_768) },
        { "Socket.KeepAlive.Count", options => options.Socket.KeepAlive.Count = 128 },
        { "Socket.ReceiveBufferSizeInBytes", options => options.Socket.ReceiveBufferSizeInBytes = 0 },
        { "Socket.SendBufferSizeInBytes", options => options.Socket.SendBufferSizeInBytes = int.MaxValue },
        { "Socket.Linger", options => options.Socket.Linger = TimeSpan.FromSeconds(2) },
        { "Socket.Linger", options => options.Socket.Linger = TimeSpan.FromSeconds(-1) },
        { "Socket.UserTimeout", options => options.Socket.UserTimeout = TimeSpan.Zero },
        { "Socket.UserTimeout", options => options.Socket.UserTimeout = TimeSpan.FromDays(25) },
        { "Socket.UnsentLowWatermarkInBytes", options => options.Socket.UnsentLowWatermarkInBytes = -1 },
        { "Socket.Dscp", options => options.Socket.Dscp = 64 },
        { "Socket.Dscp", options => options.Socket.Dscp = -1 },
        { "Socket.Device", options => options.Socket.Device = "" },
        { "Socket.Device", options => options.Socket.Device = "sixteen-bytes-xx" },
        { "Socket.FastOpenQueueLength", options => options.Socket.FastOpenQueueLength = -1 },
    };

    public static TheoryData<string, Action<SocketOptions>> TcpOnly => new()
    {
        { "Socket.NoDelay", options => options.NoDelay = false },
        { "Socket.KeepAlive.Time", options => options.KeepAlive.Time = TimeSpan.FromSeconds(1) },
        { "Socket.KeepAlive.Interval", options => options.KeepAlive.Interval = TimeSpan.FromSeconds(1) },
        { "Socket.KeepAlive.Count", options => options.KeepAlive.Count = 1 },
        { "Socket.ReceiveBufferSizeInBytes", options => options.ReceiveBufferSizeInBytes = 1 },
        { "Socket.Linger", options => options.Linger = TimeSpan.Zero },
        { "Socket.IPv6Only", options => options.IPv6Only = true },
    };

    public static TheoryData<string, Action<SocketOptions>> LinuxOnly => new()
    {
        { "Socket.UserTimeout", options => options.UserTimeout = TimeSpan.FromSeconds(1) },
        { "Socket.UnsentLowWatermarkInBytes", options => options.UnsentLowWatermarkInBytes = 0 },
        { "Socket.Dscp", options => options.Dscp = 0 },
        { "Socket.Device", options => options.Device = "lo" },
        { "Socket.FastOpenQueueLength", options => options.FastOpenQueueLength = 1 },
    };

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void A_value_out_of_range_is_refused_by_name(string option, Action<SocketTransportOptions> set)
    {
        var options = new SocketTransportOptions();
        set(options);
        var exception = Assert.Throws<ArgumentOutOfRangeException>(() => new SocketTransportFactory(options, NullLoggerFactory.Instance));
        Assert.Equal(option, exception.ParamName);
        Assert.NotNull(exception.ActualValue);
    }

    [Theory]
    [MemberData(nameof(TcpOnly))]
    [MemberData(nameof(LinuxOnly))]
    public async Task A_Unix_domain_socket_refuses_what_is_of_TCP(string option, Action<SocketOptions> set)
    {
        var options = new SocketTransportOptions();
        set(options.Socket);
        var transport = new SocketTransportFactory(options, NullLoggerFactory.Instance);
        var exception = await Assert.ThrowsAsync<SocketOptionException>(async () => await transport.BindAsync(Unix));
        Assert.Equal(option, exception.Option);
        Assert.Contains("Unix domain socket", exception.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Unix.ToString()));
    }

    [Theory]
    [MemberData(nameof(LinuxOnly))]
    public void Another_system_refuses_what_only_Linux_has(string option, Action<SocketOptions> set)
    {
        var options = new SocketOptions();
        OptionSupport.Check(options, IPv4, isListening: true, isLinux: false);
        set(options);
        var exception = Assert.Throws<SocketOptionException>(() => OptionSupport.Check(options, IPv4, isListening: true, isLinux: false));
        Assert.Equal(option, exception.Option);
        Assert.Contains("Linux only", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::ffff:127.0.0.1")]
    public void An_IPv4_address_refuses_IPv6_only(string address)
    {
        var options = new SocketOptions { IPv6Only = true };
        var endPoint = new IPEndPoint(IPAddress.Parse(address), 7000);
        var exception = Assert.Throws<SocketOptionException>(() => OptionSupport.Check(options, endPoint, isListening: true, isLinux: true));
        Assert.Contains("IPv4", exception.Message, StringComparison.Ordinal);
        OptionSupport.Check(options, endPoint, isListening: false, isLinux: true);
    }
}
