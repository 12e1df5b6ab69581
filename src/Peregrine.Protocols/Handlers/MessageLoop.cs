using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;

namespace Peregrine.Protocols.Handlers;

/// <summary>Reads the messages of one connection, and has each handled: one after the other, or several at once.</summary>
internal sealed class MessageLoop<TIn, TOut>
    where TIn : allows ref struct
    where TOut : allows ref struct
{
    private readonly MessageHandler<TIn, TOut> _handler;
    private readonly MessageHandlerOptions _options;
    private readonly ILogger _logger;
    private readonly MessageReader<TIn> _reader;
    private readonly IMessageWriter<TOut> _format;
    private readonly MessageFlow _flow;
    private readonly ReplyOrder? _order;
    private readonly MessageContext<TOut> _context;

    private volatile bool _isStopAsked;
    private bool _isStopTold;
    private bool _isReading;
    private volatile Exception? _failure;

    public MessageLoop(
        ConnectionContext connection, IMessageReader<TIn> reader, IMessageWriter<TOut> writer, MessageHandler<TIn, TOut> handler, MessageHandlerOptions options,
        ILogger logger)
    {
        _handler = handler;
        _options = options;
        _logger = logger;
        _format = writer;
        _reader = new MessageReader<TIn>(connection.Transport.Input, reader);
        _flow = new MessageFlow(connection, new MessageWriter(connection.Transport.Output, options.MaxPendingBytes));
        _order = options is { MaxConcurrency: > 1, RepliesInOrder: true } ? new ReplyOrder(_flow) : null;
        _context = new MessageContext<TOut>(_flow, writer, slot: null);
    }

    /// <summary>Up to the end of the connection. What ends it early is thrown.</summary>
    public async Task RunAsync()
    {
        var stop = _flow.Connection.Features.Get<IConnectionLifetimeNotificationFeature>();
        using var asked = stop?.ConnectionClosedRequested.UnsafeRegister(static state => ((MessageLoop<TIn, TOut>)state!).AskToStop(), this) ?? default;
        try
        {
            await _handler.OnConnectedAsync(_context).ConfigureAwait(false);
            await (_options.MaxConcurrency == 1 ? HandleInTurnAsync() : HandleAtOnceAsync()).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            _failure ??= exception;
        }

        await EndAsync().ConfigureAwait(false);
        if (_failure is { } failure)
        {
            // Of an output that has failed, the server knows the first failure, and that it is the peer's.
            ExceptionDispatchInfo.Throw(_flow.Writer.HasFailedBy(failure, out var first) ? first : failure);
        }
    }

    private bool MustTellStop => _isStopAsked && !_isStopTold;

    /// <summary>The next message of what was read. A stop does not wait for all of them, which may be many.</summary>
    private bool MayHandle => !_flow.IsClosing && !MustTellStop;

    private void AskToStop()
    {
        _isStopAsked = true;
        _flow.Wake();
    }

    private async Task HandleInTurnAsync()
    {
        while (await WaitToReadAsync().ConfigureAwait(false))
        {
            _flow.Cork();
            while (!TryHandleRead(out var handling))
            {
                // It waits for something: what was written before does not wait with it.
                var flush = _flow.UncorkAsync();
                await AwaitAsync(handling, _context).ConfigureAwait(false);
                await flush.ConfigureAwait(false);
                _flow.Cork();
            }

            if ((await _flow.UncorkAsync().ConfigureAwait(false)).IsCompleted)
            {
                return;
            }
        }
    }

    /// <summary>Handles what was read, as long as handlers are done at once. True if there is no more.</summary>
    private bool TryHandleRead(out ValueTask handling)
    {
        handling = default;
        try
        {
            while (MayHandle && TryHandle(out handling))
            {
                if (!handling.IsCompletedSuccessfully)
                {
                    return false;
                }

                TakeResult(handling);
            }

            return true;
        }
        catch (Exception exception)
        {
            handling = new ValueTask(Task.FromException(exception));
            return false;
        }
    }

    private async Task HandleAtOnceAsync()
    {
        using var places = new SemaphoreSlim(_options.MaxConcurrency);
        try
        {
            while (await WaitToReadAsync().ConfigureAwait(false))
            {
                _flow.Cork();
                do
                {
                    if (!places.Wait(0, CancellationToken.None))
                    {
                        await _flow.UncorkAsync().ConfigureAwait(false);
                        await places.WaitAsync(CancellationToken.None).ConfigureAwait(false);
                        _flow.Cork();
                    }
                }
                while (TryBegin(places));

                if ((await _flow.UncorkAsync().ConfigureAwait(false)).IsCompleted)
                {
                    return;
                }
            }
        }
        finally
        {
            // All of them back: nothing is being handled any more.
            for (var i = 0; i < _options.MaxConcurrency; i++)
            {
                await places.WaitAsync(CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Begins to handle the next message. False, and the place is given back, if there is none.</summary>
    private bool TryBegin(SemaphoreSlim places)
    {
        var (context, slot) = (_context, (ReplySlot?)null);
        ValueTask handling;
        try
        {
            _isReading = true;
            if (!MayHandle || !_reader.TryRead(out var message))
            {
                places.Release();
                return false;
            }

            // Not before there is a message: a place in the order is kept until its turn.
            _isReading = false;
            (context, slot) = Enter(holdsPlace: true);
            handling = _handler.OnMessageAsync(context, message);
        }
        catch (Exception exception)
        {
            if (_isReading)
            {
                (context, slot) = Enter(holdsPlace: true);
                if (exception is not MessageFormatException { IsSkippable: true })
                {
                    // The next read would say the same, while this is being told.
                    context.Close();
                }
            }

            handling = new ValueTask(Task.FromException(exception));
        }

        if (handling.IsCompletedSuccessfully)
        {
            TakeResult(handling);
            GiveBack(places, Leave(slot));
        }
        else
        {
            _ = FinishAsync(handling, context, slot, places);
        }

        return true;
    }

    private async Task FinishAsync(ValueTask handling, MessageContext<TOut> context, ReplySlot? slot, SemaphoreSlim places)
    {
        var left = 0;
        try
        {
            await AwaitAsync(handling, context).ConfigureAwait(false);
            left = Leave(slot);
            await _flow.FlushAsync(_flow.Writer.PendingBytes, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            // Of several, the first one is told.
            Interlocked.CompareExchange(ref _failure, exception, null);
            context.Close();
            if (left == 0)
            {
                left = Leave(slot);
            }
        }
        finally
        {
            GiveBack(places, left);
        }
    }

    private (MessageContext<TOut> Context, ReplySlot? Slot) Enter(bool holdsPlace) =>
        _order?.Enter(holdsPlace) is { } slot ? (new MessageContext<TOut>(_flow, _format, slot), slot) : (_context, null);

    /// <summary>How many places are free by it.</summary>
    private int Leave(ReplySlot? slot) => slot is null ? 1 : _order!.Leave(slot);

    private static void GiveBack(SemaphoreSlim places, int count)
    {
        if (count > 0)
        {
            places.Release(count);
        }
    }

    /// <summary>Takes one message, and begins to handle it. False if there is none.</summary>
    private bool TryHandle(out ValueTask handling)
    {
        _isReading = true;
        if (!_reader.TryRead(out var message))
        {
            _isReading = false;
            handling = default;
            return false;
        }

        _isReading = false;
        handling = _handler.OnMessageAsync(_context, message);
        return true;
    }

    /// <summary>What a pooled source waits for, to be used again.</summary>
    private static void TakeResult(ValueTask handled) => handled.GetAwaiter().GetResult();

    /// <summary>Awaits a handler, or a failed read, and does what is chosen for its error.</summary>
    private async Task AwaitAsync(ValueTask handling, MessageContext<TOut> context)
    {
        var isReading = _isReading;
        try
        {
            await handling.ConfigureAwait(false);
        }
        catch (Exception exception) when (!IsOfConnection(exception))
        {
            var format = exception as MessageFormatException;
            await ResolveAsync(context, new MessageError(exception, isReading && format is not null, !isReading || format is { IsSkippable: true }))
                .ConfigureAwait(false);
        }
    }

    private async ValueTask ResolveAsync(MessageContext<TOut> context, MessageError error)
    {
        var action = await _handler.OnErrorAsync(context, error).ConfigureAwait(false);
        if (action == MessageErrorAction.Skip && error.CanSkip)
        {
            return;
        }

        context.Close();
        if (action == MessageErrorAction.Throw)
        {
            ExceptionDispatchInfo.Throw(error.Exception);
        }

        if (error.IsPeers)
        {
            MessageLog.ClosedForMessage(_logger, _flow.Connection.ConnectionId, error.Exception.Message);
        }
    }

    /// <summary>Waits for messages, and does meanwhile what the server asks for. False if there are no more.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> WaitToReadAsync()
    {
        while (!_flow.IsClosing)
        {
            if (MustTellStop)
            {
                _isStopTold = true;
                await InOrderAsync(_handler.OnStoppingAsync).ConfigureAwait(false);
                continue;
            }

            try
            {
                return await _reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_flow.WasWoken && _reader.WasCancelled)
            {
                // Whatever it was woken for, it looks.
            }
            catch (MessageTruncatedException exception)
            {
                var error = new MessageError(exception, IsPeers: true, CanSkip: false);
                await InOrderAsync(context => ResolveAsync(context, error)).ConfigureAwait(false);
                return false;
            }
        }

        return false;
    }

    /// <summary>What is written goes out behind the answers to all messages that came before.</summary>
    private async ValueTask InOrderAsync(Func<MessageContext<TOut>, ValueTask> action)
    {
        var (context, slot) = Enter(holdsPlace: false);
        try
        {
            await action(context).ConfigureAwait(false);
        }
        finally
        {
            Leave(slot);
        }
    }

    private async ValueTask EndAsync()
    {
        try
        {
            await _handler.OnDisconnectedAsync(_context, _failure).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            _failure ??= exception;
        }

        try
        {
            // What the format has rented for a message goes back.
            _reader.Release();
        }
        catch (Exception)
        {
            // An input that has failed has nothing that is of interest, and has been told of.
        }

        try
        {
            await _flow.Writer.EndAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            _failure ??= exception;
        }
    }

    /// <summary>The connection has ended under a handler, which is no error of a message.</summary>
    private bool IsOfConnection(Exception exception) =>
        (exception is OperationCanceledException && _flow.Connection.ConnectionClosed.IsCancellationRequested) || _flow.Writer.HasFailedBy(exception, out _);
}
