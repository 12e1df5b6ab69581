using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Peregrine.Sockets.Tests.Linux;

public sealed class TcpSocketsTests : IDisposable
{
    private readonly List<Socket> _sockets = [];

    [Fact]
    public void Every_state_has_a_count_and_other_ports_are_not_counted()
    {
        var port = Listen(out _);
        Listen(out _);
        var counts = TcpSockets.CountByState([port])!;
        Assert.Equal(11, counts.Count);

        // Of the two. Sockets of clients may have the same number, of another address, or from before.
        Assert.Equal(1, counts[TcpState.Listen]);
    }

    [Fact]
    public async Task Each_state_is_told()
    {
        var port = Listen(out var listener);
        var (_, established) = await ConnectAsync(listener);
        var (closeWaitClient, _) = await ConnectAsync(listener);
        closeWaitClient.Shutdown(SocketShutdown.Send);
        var (_, finWait2) = await ConnectAsync(listener);
        finWait2.Shutdown(SocketShutdown.Send);
        var (timeWaitClient, timeWait) = await ConnectAsync(listener);
        timeWait.Shutdown(SocketShutdown.Send);
        timeWaitClient.Dispose();
        timeWait.Dispose();
        await FillAsync(await ConnectAsync(listener), peerCloses: false);
        await FillAsync(await ConnectAsync(listener), peerCloses: true);

        await UntilAsync(port, counts =>
            counts[TcpState.Listen] == 1 && counts[TcpState.Established] == 1 && counts[TcpState.CloseWait] == 1 && counts[TcpState.FinWait2] == 1
            && counts[TcpState.TimeWait] == 1 && counts[TcpState.FinWait1] == 1 && counts[TcpState.LastAck] == 1 && counts.Values.Sum() == 7);
        GC.KeepAlive(established);
    }

    [Fact]
    public async Task A_dual_stack_port_is_counted_once_for_each_socket()
    {
        var listener = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
        _sockets.Add(listener);
        listener.Bind(new IPEndPoint(IPAddress.IPv6Any, 0));
        listener.Listen();
        var port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _sockets.Add(client);
        await client.ConnectAsync(IPAddress.Loopback, port);
        var accepted = await listener.AcceptAsync();
        _sockets.Add(accepted);
        var counts = TcpSockets.CountByState([port, port])!;
        Assert.Equal((1, 1), (counts[TcpState.Listen], counts[TcpState.Established]));

        accepted.Shutdown(SocketShutdown.Send);
        client.Dispose();
        accepted.Dispose();
        await UntilAsync(port, after => after[TcpState.TimeWait] == 1 && after[TcpState.Established] == 0);
    }

    [Fact]
    public async Task More_sockets_than_one_answer_holds_are_all_counted()
    {
        const int Connections = 3_000;
        var port = Listen(out var listener);
        for (var i = 0; i < Connections; i++)
        {
            await ConnectAsync(listener);
        }

        var counts = TcpSockets.CountByState([port])!;
        Assert.Equal((1, Connections), (counts[TcpState.Listen], counts[TcpState.Established]));
    }

    [Fact]
    public void A_number_that_is_no_port_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => TcpSockets.CountByState([0]));
        Assert.Throws<ArgumentOutOfRangeException>(() => TcpSockets.CountByState([65536]));
    }

    public void Dispose() => _sockets.ForEach(socket => socket.Dispose());

    private int Listen(out Socket listener)
    {
        listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _sockets.Add(listener);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(100);
        return ((IPEndPoint)listener.LocalEndPoint!).Port;
    }

    private async Task<(Socket Client, Socket Server)> ConnectAsync(Socket listener)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        _sockets.Add(client);
        await client.ConnectAsync(listener.LocalEndPoint!);
        var server = await listener.AcceptAsync();
        _sockets.Add(server);
        return (client, server);
    }

    /// <summary>A FIN behind more than the peer's window takes.</summary>
    private static async Task FillAsync((Socket Client, Socket Server) pair, bool peerCloses)
    {
        pair.Server.Blocking = false;
        pair.Server.Send(new byte[1 << 20], 0, 1 << 20, SocketFlags.None, out _);
        if (peerCloses)
        {
            pair.Client.Shutdown(SocketShutdown.Send);
            Assert.Equal(0, await pair.Server.ReceiveAsync(new byte[1]));
        }

        pair.Server.Shutdown(SocketShutdown.Send);
    }

    private static async Task UntilAsync(int port, Func<IReadOnlyDictionary<TcpState, int>, bool> holds)
    {
        var started = Stopwatch.GetTimestamp();
        IReadOnlyDictionary<TcpState, int> counts;
        while (!holds(counts = TcpSockets.CountByState([port])!))
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < TestTimeout.Limit, string.Join(", ", counts.Where(state => state.Value > 0)));
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }
}
