namespace Peregrine.Protocols;

/// <summary>
/// Handles the messages of one connection: an instance is made for each, so its fields are the connection's. Give it to a pipeline by
/// <see cref="MessageHandlerExtensions.UseMessageHandler{THandler, TIn, TOut}(Microsoft.AspNetCore.Connections.IConnectionBuilder, IMessageReader{TIn}, IMessageWriter{TOut}, Action{MessageHandlerOptions}?)"/>.
/// </summary>
/// <typeparam name="TIn">What the peer sends: an owned value, or a view that is valid until the task of <see cref="OnMessageAsync"/> is complete.</typeparam>
/// <typeparam name="TOut">What is sent to it.</typeparam>
/// <remarks>
/// The calls come one after the other, but for <see cref="OnMessageAsync"/> and <see cref="OnErrorAsync"/> with <see cref="MessageHandlerOptions.MaxConcurrency"/> above 1.
/// </remarks>
public abstract class MessageHandler<TIn, TOut>
    where TIn : allows ref struct
    where TOut : allows ref struct
{
    /// <summary>Before the first message is read. What it throws ends the connection, and goes to the server.</summary>
    public virtual ValueTask OnConnectedAsync(MessageContext<TOut> context) => default;

    /// <summary>A message has come.</summary>
    /// <remarks>
    /// What handlers write without a wait of their own is kept together, and sent when all messages of one read are handled. A handler that waits has what was written
    /// before sent at once.
    /// </remarks>
    public abstract ValueTask OnMessageAsync(MessageContext<TOut> context, TIn message);

    /// <summary>
    /// The one place where errors come: bytes that are no message, and what <see cref="OnMessageAsync"/> throws. Not the end of the connection itself, as by the peer's reset. By default the connection is
    /// closed for what the peer did wrong, which is logged at Debug, and what the handler throws goes to the server.
    /// </summary>
    public virtual ValueTask<MessageErrorAction> OnErrorAsync(MessageContext<TOut> context, MessageError problem) =>
        new(problem.IsPeers ? MessageErrorAction.Close : MessageErrorAction.Throw);

    /// <summary>
    /// The server asks the connection to end, because it stops. By default, <see cref="MessageContext{TOut}.Close"/>. A protocol with a goodbye writes it here; if it does not
    /// close, messages are read until the peer closes, or the time of the stop is over.
    /// </summary>
    public virtual ValueTask OnStoppingAsync(MessageContext<TOut> context)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Close();
        return default;
    }

    /// <summary>The last message is handled. Called once if <see cref="OnConnectedAsync"/> was, however the connection ends.</summary>
    /// <param name="context">What is written goes out if the peer still reads.</param>
    /// <param name="exception">What has ended the connection; null for a regular end.</param>
    public virtual ValueTask OnDisconnectedAsync(MessageContext<TOut> context, Exception? exception) => default;
}
