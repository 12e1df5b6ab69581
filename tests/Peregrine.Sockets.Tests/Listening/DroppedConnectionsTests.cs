using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Features;

namespace Peregrine.Sockets.Tests.Listening;

/// <summary>What the kernel drops, because nobody accepts.</summary>
public sealed class DroppedConnectionsTests
{
    [LinuxFact]
    public async Task Attempts_that_find_the_queue_full_are_counted_and_the_count_outlives_the_listener()
    {
        var transport = new SocketTransportFactory(new SocketTransportOptions { Backlog = 1 }, NullLoggerFactory.Instance);
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        var status = Assert.IsAssignableFrom<IConnectionListenerStatus>(listener);
        Assert.Equal(0, status.DroppedConnections);
        var clients = Enumerable.Range(0, 8).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)).ToList();
        var connects = clients.ConvertAll(client => client.ConnectAsync(listener.EndPoint));
        var started = TimeProvider.System.GetTimestamp();
        while (status.DroppedConnections == 0)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromMinutes(1));
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }

        clients.ForEach(client => client.Dispose());
        await Task.WhenAll(connects.Select(connect => connect.ContinueWith(_ => { }, TaskScheduler.Default)));
        var before = status.DroppedConnections;
        await listener.DisposeAsync();
        Assert.True(status.DroppedConnections >= before);
    }

    [Fact]
    public async Task A_Unix_domain_socket_does_not_tell()
    {
        var transport = new SocketTransportFactory(new SocketTransportOptions(), NullLoggerFactory.Instance);
        await using var listener = await transport.BindAsync(new UnixDomainSocketEndPoint(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName())));
        Assert.Null(Assert.IsAssignableFrom<IConnectionListenerStatus>(listener).DroppedConnections);
    }
}
