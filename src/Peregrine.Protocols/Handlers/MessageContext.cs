using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Peregrine.Protocols.Handlers;

namespace Peregrine.Protocols;

/// <summary>What the handler of a message has of its connection. Safe from any thread.</summary>
/// <typeparam name="TOut">What is sent to the peer.</typeparam>
public sealed class MessageContext<TOut>
    where TOut : allows ref struct
{
    private readonly IMessageWriter<TOut> _format;
    private readonly MessageFlow _flow;
    private readonly ReplySlot? _slot;

    internal MessageContext(MessageFlow flow, IMessageWriter<TOut> format, ReplySlot? slot)
    {
        _flow = flow;
        _format = format;
        _slot = slot;
    }

    /// <summary>The connection. Its input and output are in use: messages are written here, or by <see cref="Writer"/>.</summary>
    public ConnectionContext Connection => _flow.Connection;

    /// <summary>
    /// The connection's writer: for other flows, other kinds of messages, and for what does not answer the message. It sends at once, with what
    /// was kept together before, and does not wait for a turn (<see cref="MessageHandlerOptions.RepliesInOrder"/>).
    /// </summary>
    public MessageWriter Writer => _flow.Writer;

    /// <summary>
    /// Writes a message. While the messages of one read are handled it is kept, up to 64 KiB of them, and the task is complete at once; otherwise it is complete when the output has
    /// taken the message.
    /// </summary>
    /// <param name="message">The message. A view is looked at during the call only.</param>
    /// <param name="cancellationToken">Cancels the wait; the message is sent all the same.</param>
    /// <returns><see cref="FlushResult.IsCompleted"/> says that nobody reads any more: the message is dropped then.</returns>
    /// <exception cref="MessageFormatException">The message cannot be written in this format. Nothing of it is.</exception>
    /// <exception cref="OperationCanceledException">The token.</exception>
    public ValueTask<FlushResult> WriteAsync(TOut message, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        if (_slot is not null)
        {
            return _slot.WriteAsync(message, _format, cancellationToken);
        }

        return _flow.Writer.TryWrite(message, _format, out var pending) ? _flow.FlushAsync(pending, cancellationToken) : _flow.Writer.DroppedAsync();
    }

    /// <summary>
    /// Closes the connection when the messages that are being handled are done: nothing more is read or handled, what was written goes out, and what
    /// handlers of later messages write does not (<see cref="MessageHandlerOptions.RepliesInOrder"/>).
    /// </summary>
    public void Close()
    {
        _slot?.MakeLast();
        _flow.Close();
    }
}
