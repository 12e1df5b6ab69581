using DotNetty.Buffers;
using DotNetty.Transport.Channels;

namespace Peregrine.LoadTest.Contestants;

internal sealed class DotNettyEchoHandler : ChannelHandlerAdapter
{
    public override void ChannelRead(IChannelHandlerContext context, object message) => context.WriteAsync(message);

    public override void ChannelReadComplete(IChannelHandlerContext context) => context.Flush();

    public override void ExceptionCaught(IChannelHandlerContext context, Exception exception) => context.CloseAsync();
}

internal sealed class DotNettySinkHandler : ChannelHandlerAdapter
{
    public override void ChannelRead(IChannelHandlerContext context, object message)
    {
        var buffer = (IByteBuffer)message;
        SinkCount.Add(buffer.ReadableBytes);
        buffer.Release();
    }

    public override void ExceptionCaught(IChannelHandlerContext context, Exception exception) => context.CloseAsync();
}
