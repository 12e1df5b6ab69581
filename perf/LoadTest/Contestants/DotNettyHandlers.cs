using DotNetty.Buffers;
using DotNetty.Transport.Channels;
using DotNetty.Transport.Channels.Sockets;

namespace Peregrine.LoadTest.Contestants;

internal sealed class DotNettyEchoHandler : ChannelHandlerAdapter
{
    public override void ChannelRead(IChannelHandlerContext context, object message) => context.WriteAsync(message);

    public override void ChannelReadComplete(IChannelHandlerContext context) => context.Flush();

    public override void ExceptionCaught(IChannelHandlerContext context, Exception exception) => context.CloseAsync();
}

internal sealed class DotNettySinkHandler : ChannelHandlerAdapter
{
    private long _received;

    public override void ChannelRead(IChannelHandlerContext context, object message)
    {
        var buffer = (IByteBuffer)message;
        _received += buffer.ReadableBytes;
        buffer.Release();
    }

    public override void UserEventTriggered(IChannelHandlerContext context, object signal)
    {
        if (signal is ChannelInputShutdownEvent)
        {
            _ = AnswerAsync(context);
        }
    }

    public override void ExceptionCaught(IChannelHandlerContext context, Exception exception) => context.CloseAsync();

    private async Task AnswerAsync(IChannelHandlerContext context)
    {
        await context.WriteAndFlushAsync(context.Allocator.Buffer(sizeof(long)).WriteLongLE(_received));
        await context.CloseAsync();
    }
}
