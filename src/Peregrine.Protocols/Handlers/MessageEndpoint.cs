using System.Buffers;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peregrine.Protocols.Handlers;

/// <summary>What the connections of one pipeline have in common.</summary>
internal sealed class MessageEndpoint<TIn, TOut>
    where TIn : allows ref struct
    where TOut : allows ref struct
{
    private readonly Func<IMessageReader<TIn>> _createReader;
    private readonly Func<IMessageWriter<TOut>> _createWriter;
    private readonly MessageHandlerOptions _options = new();
    private readonly GuardedLogger _logger;

    public MessageEndpoint(
        IServiceProvider? services, Func<IMessageReader<TIn>> createReader, Func<IMessageWriter<TOut>> createWriter, Action<MessageHandlerOptions>? configure)
    {
        configure?.Invoke(_options);
        _options.Validate();
        if (_options.MaxConcurrency > 1 && (typeof(TIn).IsByRefLike || typeof(TIn) == typeof(ReadOnlySequence<byte>) || typeof(TIn) == typeof(ReadOnlyMemory<byte>)))
        {
            throw new ArgumentException(
                $"MaxConcurrency is {_options.MaxConcurrency}, and a message is a {typeof(TIn).Name}, which is a view over bytes that are gone when the next message is read. "
                + "Set it to 1, or use a reader whose messages own what they have.", nameof(configure));
        }

        _createReader = createReader;
        _createWriter = createWriter;
        _logger = new GuardedLogger(services?.GetService<ILoggerFactory>()?.CreateLogger(MessageLog.Category) ?? NullLogger.Instance);
    }

    public Task RunAsync(ConnectionContext connection, MessageHandler<TIn, TOut> handler) =>
        new MessageLoop<TIn, TOut>(connection, _createReader(), _createWriter(), handler, _options, _logger).RunAsync();
}
