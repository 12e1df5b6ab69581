using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Features;

namespace Peregrine.Sockets.Tests.Linux;

public sealed class EventArgsTcpInfoTests() : TcpInfoTests(TestedSocket.EventArgs);

public sealed class ThreadPoolTcpInfoTests() : TcpInfoTests(TestedSocket.ThreadPool);

public sealed class EventLoopTcpInfoTests() : TcpInfoTests(TestedSocket.EventLoop);

public abstract class TcpInfoTests(TestedSocket tested)
{
    [LinuxFact]
    public async Task The_kernel_is_asked_about_the_connection()
    {
        await using var pair = await Pair.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 0), tested);
        var feature = pair.Server.Features.Get<IConnectionTcpInfoFeature>()!;
        await pair.Server.Transport.Output.WriteAsync("hello"u8.ToArray());
        Assert.Equal(5, await pair.Client.ReceiveAsync(new byte[5]));
        TcpConnectionInfo info;
        do
        {
            // The acknowledgement is a moment behind.
            Assert.True(feature.TryGetTcpInfo(out info));
        }
        while (info.UnacknowledgedBytes > 0);

        Assert.Equal((TcpState.Established, 0L), (info.State, info.UnsentBytes));
        Assert.InRange(info.RoundTripTime, TimeSpan.FromTicks(1), TimeSpan.FromSeconds(1));
        Assert.InRange(info.RoundTripTimeVariance, TimeSpan.FromTicks(1), TimeSpan.FromSeconds(1));
        Assert.InRange(info.CongestionWindowInSegments, 1, 10_000);
        Assert.InRange(info.Retransmits, 0, 10);
    }

    [LinuxFact]
    public async Task What_a_peer_does_not_read_is_unacknowledged_or_unsent()
    {
        await using var pair = await Pair.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 0), tested);
        var feature = pair.Server.Features.Get<IConnectionTcpInfoFeature>()!;
        var flush = pair.Server.Transport.Output.WriteAsync(new byte[16 << 20]).AsTask();
        Assert.False(flush.IsCompleted);
        TcpConnectionInfo info;
        do
        {
            // As long as the peer's window is open, all that the kernel has may be on its way.
            Assert.True(feature.TryGetTcpInfo(out info));
        }
        while (info.UnsentBytes == 0);

        var total = 0;
        var buffer = new byte[1 << 20];
        while (total < 16 << 20)
        {
            total += await pair.Client.ReceiveAsync(buffer).Bounded();
        }

        await flush.Bounded();
        do
        {
            Assert.True(feature.TryGetTcpInfo(out info));
        }
        while (info.UnacknowledgedBytes > 0);

        Assert.Equal(0, info.UnsentBytes);
        Assert.True(info.DeliveryRateInBytesPerSecond > 0);
    }

    [LinuxFact]
    public async Task A_fin_counts_as_a_byte_until_it_is_acknowledged_and_the_state_follows()
    {
        await using var pair = await Pair.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 0), tested);
        var feature = pair.Server.Features.Get<IConnectionTcpInfoFeature>()!;
        await pair.Server.CompleteOutputAsync();
        Assert.Equal(0, await pair.Client.ReceiveAsync(new byte[1]).Bounded());
        TcpConnectionInfo info;
        do
        {
            Assert.True(feature.TryGetTcpInfo(out info));
            Assert.InRange(info.UnacknowledgedBytes, 0, 1);
        }
        while (info.State != TcpState.FinWait2);

        Assert.Equal(0, info.UnacknowledgedBytes);
    }

    [LinuxFact]
    public async Task A_released_connection_tells_nothing()
    {
        await using var pair = await Pair.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 0), tested);
        var feature = pair.Server.Features.Get<IConnectionTcpInfoFeature>()!;
        pair.Server.Abort();
        Assert.False(feature.TryGetTcpInfo(out _));
    }

    [LinuxFact]
    public async Task A_unix_domain_socket_has_no_such_feature()
    {
        await using var pair = await Pair.ConnectAsync(new UnixDomainSocketEndPoint($"\0peregrine-{Guid.NewGuid():N}"), tested);
        Assert.Null(pair.Server.Features.Get<IConnectionTcpInfoFeature>());
        Assert.DoesNotContain(pair.Server.Features, feature => feature.Key == typeof(IConnectionTcpInfoFeature));
    }

    private sealed record Pair(ConnectionContext Server, Socket Client, IConnectionListener Listener) : IAsyncDisposable
    {
        public static async Task<Pair> ConnectAsync(EndPoint address, TestedSocket tested)
        {
            var listener = await new SocketTransportFactory(new SocketTransportOptions { Tested = tested }, NullLoggerFactory.Instance).BindAsync(address);
            var client = address is IPEndPoint
                ? new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
                : new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await client.ConnectAsync(listener.EndPoint);
            return new Pair((await listener.AcceptAsync())!, client, listener);
        }

        public async ValueTask DisposeAsync()
        {
            Client.Dispose();
            await Server.DisposeAsync();
            await Listener.DisposeAsync();
        }
    }
}
