using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Peregrine.Protocols.Handlers;

namespace Peregrine.Protocols;

/// <summary>
/// Ends a pipeline with a handler of messages, on every server that has pipelines of connections: Peregrine's and Kestrel's.
/// <code>
/// tcp.UseMessages(new LengthFieldReader(), new LengthFieldWriter(), async (context, message) => await context.WriteAsync(message));
/// </code>
/// </summary>
/// <remarks>
/// A connection that its server asks to stop is closed behind the message that is being handled. The connection ends gracefully when its peer ends its output, and all messages are handled.
/// </remarks>
public static class MessageHandlerExtensions
{
    private const DynamicallyAccessedMemberTypes Constructors = DynamicallyAccessedMemberTypes.PublicConstructors;

    /// <summary>Handles each message by a delegate.</summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="reader">Finds the messages. One for all connections: it has no state.</param>
    /// <param name="writer">Writes what is sent. One for all connections: it has no state.</param>
    /// <param name="handler">
    /// Handles a message: see <see cref="MessageHandler{TIn, TOut}.OnMessageAsync"/>. Errors are treated as by <see cref="MessageHandler{TIn, TOut}.OnErrorAsync"/> by default.
    /// </param>
    public static IConnectionBuilder UseMessages<TIn, TOut>(
        this IConnectionBuilder builder, IMessageReader<TIn> reader, IMessageWriter<TOut> writer, Func<MessageContext<TOut>, TIn, ValueTask> handler)
        where TIn : allows ref struct
        where TOut : allows ref struct
        => builder.UseMessages(reader, writer, handler, configure: null);

    /// <inheritdoc cref="UseMessages{TIn, TOut}(IConnectionBuilder, IMessageReader{TIn}, IMessageWriter{TOut}, Func{MessageContext{TOut}, TIn, ValueTask})"/>
    /// <param name="builder">The pipeline.</param>
    /// <param name="reader">Finds the messages. One for all connections: it has no state.</param>
    /// <param name="writer">Writes what is sent. One for all connections: it has no state.</param>
    /// <param name="handler">Handles a message.</param>
    /// <param name="configure">Changes the options; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="ArgumentException"><see cref="MessageHandlerOptions.MaxConcurrency"/> is above 1, and the messages are views.</exception>
    public static IConnectionBuilder UseMessages<TIn, TOut>(
        this IConnectionBuilder builder, IMessageReader<TIn> reader, IMessageWriter<TOut> writer, Func<MessageContext<TOut>, TIn, ValueTask> handler,
        Action<MessageHandlerOptions>? configure)
        where TIn : allows ref struct
        where TOut : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(reader);
        ArgumentNullException.ThrowIfNull(writer);
        return builder.UseMessages(() => reader, () => writer, handler, configure);
    }

    /// <inheritdoc cref="UseMessages{TIn, TOut}(IConnectionBuilder, IMessageReader{TIn}, IMessageWriter{TOut}, Func{MessageContext{TOut}, TIn, ValueTask}, Action{MessageHandlerOptions}?)"/>
    /// <param name="builder">The pipeline.</param>
    /// <param name="createReader">Makes what finds the messages of one connection, for formats that have a state.</param>
    /// <param name="createWriter">Makes what writes to one connection.</param>
    /// <param name="handler">Handles a message.</param>
    /// <param name="configure">Changes the options; null for the defaults.</param>
    public static IConnectionBuilder UseMessages<TIn, TOut>(
        this IConnectionBuilder builder, Func<IMessageReader<TIn>> createReader, Func<IMessageWriter<TOut>> createWriter,
        Func<MessageContext<TOut>, TIn, ValueTask> handler, Action<MessageHandlerOptions>? configure)
        where TIn : allows ref struct
        where TOut : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(createReader);
        ArgumentNullException.ThrowIfNull(createWriter);
        ArgumentNullException.ThrowIfNull(handler);
        var shared = new DelegateMessageHandler<TIn, TOut>(handler);
        var endpoint = new MessageEndpoint<TIn, TOut>(builder.ApplicationServices, createReader, createWriter, configure);
        return builder.Use(_ => connection => endpoint.RunAsync(connection, shared));
    }

    /// <summary>
    /// Handles the messages of each connection by an instance of <typeparamref name="THandler"/>. It comes from the services of a scope that lives as long as the connection: as it is
    /// registered, or else made with what its constructor asks for, and disposed at the end.
    /// </summary>
    /// <param name="builder">The pipeline.</param>
    /// <param name="reader">Finds the messages. One for all connections: it has no state.</param>
    /// <param name="writer">Writes what is sent. One for all connections: it has no state.</param>
    public static IConnectionBuilder UseMessageHandler<[DynamicallyAccessedMembers(Constructors)] THandler, TIn, TOut>(
        this IConnectionBuilder builder, IMessageReader<TIn> reader, IMessageWriter<TOut> writer)
        where THandler : MessageHandler<TIn, TOut>
        where TIn : allows ref struct
        where TOut : allows ref struct
        => builder.UseMessageHandler<THandler, TIn, TOut>(reader, writer, configure: null);

    /// <inheritdoc cref="UseMessageHandler{THandler, TIn, TOut}(IConnectionBuilder, IMessageReader{TIn}, IMessageWriter{TOut})"/>
    /// <param name="builder">The pipeline.</param>
    /// <param name="reader">Finds the messages. One for all connections: it has no state.</param>
    /// <param name="writer">Writes what is sent. One for all connections: it has no state.</param>
    /// <param name="configure">Changes the options; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="ArgumentException"><see cref="MessageHandlerOptions.MaxConcurrency"/> is above 1, and the messages are views.</exception>
    public static IConnectionBuilder UseMessageHandler<[DynamicallyAccessedMembers(Constructors)] THandler, TIn, TOut>(
        this IConnectionBuilder builder, IMessageReader<TIn> reader, IMessageWriter<TOut> writer, Action<MessageHandlerOptions>? configure)
        where THandler : MessageHandler<TIn, TOut>
        where TIn : allows ref struct
        where TOut : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(reader);
        ArgumentNullException.ThrowIfNull(writer);
        return builder.UseMessageHandler<THandler, TIn, TOut>(() => reader, () => writer, configure);
    }

    /// <inheritdoc cref="UseMessageHandler{THandler, TIn, TOut}(IConnectionBuilder, IMessageReader{TIn}, IMessageWriter{TOut}, Action{MessageHandlerOptions}?)"/>
    /// <param name="builder">The pipeline.</param>
    /// <param name="createReader">Makes what finds the messages of one connection, for formats that have a state.</param>
    /// <param name="createWriter">Makes what writes to one connection.</param>
    /// <param name="configure">Changes the options; null for the defaults.</param>
    public static IConnectionBuilder UseMessageHandler<[DynamicallyAccessedMembers(Constructors)] THandler, TIn, TOut>(
        this IConnectionBuilder builder, Func<IMessageReader<TIn>> createReader, Func<IMessageWriter<TOut>> createWriter,
        Action<MessageHandlerOptions>? configure)
        where THandler : MessageHandler<TIn, TOut>
        where TIn : allows ref struct
        where TOut : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(createReader);
        ArgumentNullException.ThrowIfNull(createWriter);
        var instances = new HandlerInstances<THandler>(builder.ApplicationServices);
        var endpoint = new MessageEndpoint<TIn, TOut>(builder.ApplicationServices, createReader, createWriter, configure);
        return builder.Use(_ => connection => instances.RunAsync(handler => endpoint.RunAsync(connection, handler)));
    }
}
