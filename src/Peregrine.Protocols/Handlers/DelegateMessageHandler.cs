namespace Peregrine.Protocols.Handlers;

internal sealed class DelegateMessageHandler<TIn, TOut>(Func<MessageContext<TOut>, TIn, ValueTask> handle) : MessageHandler<TIn, TOut>
    where TIn : allows ref struct
    where TOut : allows ref struct
{
    public override ValueTask OnMessageAsync(MessageContext<TOut> context, TIn message) => handle(context, message);
}
