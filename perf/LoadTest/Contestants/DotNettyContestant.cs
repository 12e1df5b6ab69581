using System.Net;
using DotNetty.Buffers;
using DotNetty.Transport.Bootstrapping;
using DotNetty.Transport.Channels;
using DotNetty.Transport.Channels.Sockets;

namespace Peregrine.LoadTest.Contestants;

/// <summary>DotNetty as its own examples set it up: one accepting loop, two loops for each core, pooled buffers.</summary>
internal static class DotNettyContestant
{
    private const int Backlog = 4096;

    public static async Task<RunningServer> StartAsync(Service service)
    {
        var accepting = new MultithreadEventLoopGroup(1);
        var serving = new MultithreadEventLoopGroup();
        var bootstrap = new ServerBootstrap()
            .Group(accepting, serving)
            .Channel<TcpServerSocketChannel>()
            .Option(ChannelOption.SoBacklog, Backlog)
            .ChildOption(ChannelOption.TcpNodelay, true)
            .ChildOption(ChannelOption.AutoRead, true)
            .ChildOption(ChannelOption.Allocator, PooledByteBufferAllocator.Default)
            .ChildHandler(new ActionChannelInitializer<ISocketChannel>(channel =>
                channel.Pipeline.AddLast(service == Service.Echo ? new DotNettyEchoHandler() : new DotNettySinkHandler())));
        var listener = await bootstrap.BindAsync(IPAddress.Loopback, 0);
        return new RunningServer(((IPEndPoint)listener.LocalAddress).Port, async () =>
        {
            await listener.CloseAsync();
            await Task.WhenAll(
                accepting.ShutdownGracefullyAsync(TimeSpan.Zero, TimeSpan.FromSeconds(1)),
                serving.ShutdownGracefullyAsync(TimeSpan.Zero, TimeSpan.FromSeconds(1)));
        });
    }
}
