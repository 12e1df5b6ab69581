using System.Net;
using System.Net.Sockets;
using DotNetty.Buffers;
using DotNetty.Transport.Bootstrapping;
using DotNetty.Transport.Channels;
using DotNetty.Transport.Channels.Sockets;

namespace Peregrine.LoadTest.Contestants.Datagrams;

/// <summary>DotNetty's datagram channel, with pooled buffers that are no larger than they need be.</summary>
internal static class DotNettyDatagramContestant
{
    private const int BufferSize = 2_048;

    public static async Task<RunningServer> StartAsync(Service service)
    {
        var group = new MultithreadEventLoopGroup(1);
        var bootstrap = new Bootstrap()
            .Group(group)
            .ChannelFactory(() => new SocketDatagramChannel(AddressFamily.InterNetwork))
            .Option(ChannelOption.SoRcvbuf, PlainSocketContestant.ReceiveBufferSize)
            .Option(ChannelOption.Allocator, PooledByteBufferAllocator.Default)
            .Option(ChannelOption.RcvbufAllocator, new FixedRecvByteBufAllocator(BufferSize))
            .Handler(new ActionChannelInitializer<IChannel>(channel => channel.Pipeline.AddLast(new DatagramHandler(service))));
        var bound = await bootstrap.BindAsync(IPAddress.Loopback, 0);
        return new RunningServer(((IPEndPoint)bound.LocalAddress).Port, async () =>
        {
            await bound.CloseAsync();
            await group.ShutdownGracefullyAsync(TimeSpan.Zero, TimeSpan.FromSeconds(1));
        });
    }

    private sealed class DatagramHandler(Service service) : SimpleChannelInboundHandler<DatagramPacket>
    {
        private readonly byte[] _answer = SourceRequest.CreateAnswer();

        public override void ChannelReadComplete(IChannelHandlerContext context) => context.Flush();

        protected override void ChannelRead0(IChannelHandlerContext context, DatagramPacket packet)
        {
            if (service == Service.Sink)
            {
                SinkCount.Add(1);
            }
            else if (service == Service.Echo)
            {
                context.WriteAsync(new DatagramPacket((IByteBuffer)packet.Content.Retain(), packet.Sender));
            }
            else if (packet.Content.ReadableBytes == SourceRequest.SizeInBytes && Request(packet.Content) is { } request)
            {
                for (var i = 0; i < request.Count; i++)
                {
                    request.WriteHead(_answer, i);
                    context.WriteAsync(new DatagramPacket(context.Allocator.Buffer(_answer.Length).WriteBytes(_answer), packet.Sender));
                }
            }
        }

        private static SourceRequest? Request(IByteBuffer content)
        {
            var bytes = new byte[SourceRequest.SizeInBytes];
            content.ReadBytes(bytes);
            return SourceRequest.TryRead(bytes);
        }
    }
}
