using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Features;
using Peregrine.Sockets.Listening;

namespace Peregrine.Sockets.Tests.Listening;

public sealed class DescriptorReserveTests
{
    [LinuxFact]
    public void What_is_given_up_is_closed_and_what_is_taken_is_open()
    {
        Assert.True(DescriptorReserve.Process.TryTake()); // So that no listener of another test opens it meanwhile.
        var reserve = new DescriptorReserve();
        Assert.True(reserve.TryTake());
        var held = CountNull();
        Assert.True(held >= 4);
        reserve.GiveUp();
        Assert.True(reserve.IsGivenUp);
        Assert.Equal(held - 4, CountNull());
        reserve.GiveUp();
        Assert.True(reserve.TryTake());
        Assert.True(reserve.TryTake());
        Assert.False(reserve.IsGivenUp);
        Assert.Equal(held, CountNull());
        reserve.GiveUp();
    }

    [LinuxFact]
    public void The_limit_and_the_open_descriptors_are_those_of_the_process()
    {
        Assert.Contains(
            $" {FileDescriptors.Limit} ",
            File.ReadLines("/proc/self/limits").First(line => line.StartsWith("Max open files", StringComparison.Ordinal)),
            StringComparison.Ordinal);
        Assert.InRange(FileDescriptors.CountOpen()!.Value, 10, 20_000);
    }

    [LinuxFact]
    public async Task A_listener_tells_how_many_connections_wait_to_be_accepted()
    {
        var transport = new SocketTransportFactory(new SocketTransportOptions { Listeners = 2 }, NullLoggerFactory.Instance);
        await using var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        var status = Assert.IsAssignableFrom<IConnectionListenerStatus>(listener);
        Assert.Equal(0, status.QueuedConnections);
        var clients = new List<Socket>();
        for (var i = 0; i < 7; i++)
        {
            clients.Add(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            await clients[i].ConnectAsync(listener.EndPoint);
        }

        Assert.Equal(7, status.QueuedConnections);
        Assert.Null(status.AcceptError);
        clients.ForEach(client => client.Dispose());
    }

    [LinuxTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_socket_that_is_gone_ends_the_accepting_and_is_logged(bool whileItWaits)
    {
        var log = new RecordedLog();
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(1);
        var acceptor = new SocketAcceptor(socket, _ => throw new InvalidOperationException(), log);
        var listener = new SocketConnectionListener(socket, isInherited: false, acceptor, 1, TimeProvider.System, log);
        var accept = whileItWaits ? listener.AcceptAsync() : default;

        // As if somebody else had the descriptor: then it does not listen any more (shutdown(2), tcp(7)).
        socket.Shutdown(SocketShutdown.Both);
        Assert.Null(await (whileItWaits ? accept : listener.AcceptAsync()).Bounded());
        Assert.Single(log.WithId(11));
        Assert.Null(await listener.AcceptAsync().Bounded());
        await listener.DisposeAsync();
    }

    private static int CountNull() => Directory.GetFileSystemEntries("/proc/self/fd").Count(file => new FileInfo(file).LinkTarget == "/dev/null");
}
