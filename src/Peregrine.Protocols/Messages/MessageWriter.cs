using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;

namespace Peregrine.Protocols;

/// <summary>
/// Writes the messages of one output, from any number of tasks: each message goes out whole, in the order of the calls. While a flush is under
/// way, the messages that come are kept together, and go out in the next one.
/// </summary>
/// <remarks>
/// <para>
/// <see cref="WriteAsync"/> is complete when the output has taken the message, so a peer that does not read holds up those who write to it. Those who
/// do not wait for it, or cancel the wait and write again, bound what is kept themselves. <see cref="Write"/> and <see cref="TryPost"/> do not wait.
/// </para>
/// <para>
/// The output is the writer's until <see cref="EndAsync"/>; it is not completed. Every member is safe from any thread. Nothing is
/// allocated for a message. A writer that has nothing to send holds no buffer.
/// </para>
/// </remarks>
public sealed class MessageWriter
{
    /// <summary>
    /// What <see cref="TryPost"/> keeps for a peer that does not read, by default: 64 KiB. Of messages, it keeps one for each 64 bytes of it, and 64 at least: 1,024 by
    /// default.
    /// </summary>
    public const int DefaultMaxPendingBytes = 64 * 1024;

    [ThreadStatic]
    private static PendingBytes? t_scratch;

    private readonly FlushLoop _loop;

    /// <param name="output">Where the messages go.</param>
    /// <param name="maxPendingBytes">See <see cref="DefaultMaxPendingBytes"/>: from 1.</param>
    public MessageWriter(PipeWriter output, int maxPendingBytes = DefaultMaxPendingBytes)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxPendingBytes, 1);
        _loop = new FlushLoop(output, new PendingBound(maxPendingBytes));
    }

    internal FlushLoop Loop => _loop;

    /// <summary>Bytes that no flush has begun to send, and those of the one that is under way. It may be a little old.</summary>
    public long PendingBytes => _loop.PendingBytes;

    /// <summary>Writes a message, and sends it.</summary>
    /// <param name="message">The message. A view is looked at during the call only.</param>
    /// <param name="format">How it is written.</param>
    /// <param name="cancellationToken">Cancels the wait; the message is sent all the same.</param>
    /// <returns>
    /// When the output has taken the message. <see cref="FlushResult.IsCompleted"/> says that nobody reads any more, or that the writer has ended: the
    /// message is dropped then.
    /// </returns>
    /// <exception cref="MessageFormatException">The message cannot be written in this format. Nothing of it is.</exception>
    /// <exception cref="OperationCanceledException">The token.</exception>
    /// <exception cref="InvalidOperationException">The output has failed before, so that bytes are missing in front of this message.</exception>
    public ValueTask<FlushResult> WriteAsync<TMessage>(TMessage message, IMessageWriter<TMessage> format, CancellationToken cancellationToken = default)
        where TMessage : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(format);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        return TryWrite(message, format, out _) ? _loop.FlushAsync(cancellationToken) : _loop.DroppedAsync();
    }

    /// <summary>
    /// Writes a message that is sent by the next flush of anybody: for several that belong together, with one <see cref="FlushAsync"/> behind them. What is
    /// written and not flushed is bounded by the caller alone. Where nobody reads any more, or the writer has ended, the message is dropped.
    /// </summary>
    /// <inheritdoc cref="WriteAsync" path="/param"/>
    /// <inheritdoc cref="WriteAsync" path="/exception[@cref='MessageFormatException']"/>
    public void Write<TMessage>(TMessage message, IMessageWriter<TMessage> format)
        where TMessage : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(format);
        TryWrite(message, format, out _);
    }

    /// <summary>Sends what was written. Complete when the output has taken all of it.</summary>
    /// <inheritdoc cref="WriteAsync" path="/exception[not(@cref='MessageFormatException')]"/>
    public ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        return _loop.FlushAsync(cancellationToken);
    }

    /// <summary>
    /// Sends a message that was encoded before, without a copy of its own and without waiting. If more than the writer's bound is pending, the peer is slow,
    /// and the message is not taken.
    /// </summary>
    /// <returns>False if the peer is slow, or nobody reads any more.</returns>
    public bool TryPost(EncodedMessage message) => Post(message, dropsOldest: false, out _);

    /// <summary>As <see cref="TryPost"/>; makes room by dropping messages that were posted before, the oldest first, and of which nothing is sent yet.</summary>
    /// <param name="message">The message.</param>
    /// <param name="dropped">How many were dropped for it.</param>
    public bool TryPostInPlaceOfOldest(EncodedMessage message, out int dropped) => Post(message, dropsOldest: true, out dropped);

    /// <summary>
    /// Ends the writing: what comes now is dropped, and what was written before goes out. Complete when nothing uses the output any more, which is the caller's then. A
    /// handler awaits it before it returns.
    /// </summary>
    /// <inheritdoc cref="WriteAsync" path="/exception[not(@cref='MessageFormatException')]"/>
    public ValueTask<FlushResult> EndAsync(CancellationToken cancellationToken = default)
    {
        _loop.End();
        return FlushAsync(cancellationToken);
    }

    /// <summary>As <see cref="Write"/>. False if the message is dropped.</summary>
    /// <param name="message">The message.</param>
    /// <param name="format">How it is written.</param>
    /// <param name="pending">Bytes that are pending, with it.</param>
    internal bool TryWrite<TMessage>(TMessage message, IMessageWriter<TMessage> format, out long pending)
        where TMessage : allows ref struct
    {
        // Not under the lock: the format is somebody's code, and a message that fails in the middle leaves nothing behind.
        var scratch = RentScratch();
        try
        {
            format.Write(message, scratch);
            return TryWrite(scratch, out pending);
        }
        finally
        {
            ReturnScratch(scratch);
        }
    }

    /// <summary>Messages that are encoded.</summary>
    internal bool TryWrite(PendingBytes messages, out long pending) => _loop.TryAdd(messages, out pending);

    /// <summary>What is told of a message that was dropped.</summary>
    internal ValueTask<FlushResult> DroppedAsync() => _loop.DroppedAsync();

    /// <summary>True if <paramref name="exception"/> says that the output has failed; <paramref name="failure"/> is what the output has thrown.</summary>
    internal bool HasFailedBy(Exception exception, [NotNullWhen(true)] out Exception? failure) => _loop.HasFailedBy(exception, out failure);

    /// <summary>Where a message is encoded, for a short time.</summary>
    internal static PendingBytes RentScratch()
    {
        var scratch = t_scratch ?? new PendingBytes();
        t_scratch = null;
        return scratch;
    }

    internal static void ReturnScratch(PendingBytes scratch)
    {
        scratch.Clear();
        t_scratch = scratch;
    }

    private bool Post(EncodedMessage message, bool dropsOldest, out int dropped)
    {
        ArgumentNullException.ThrowIfNull(message);
        message.Part.Bytes.Hold();
        var isPosted = _loop.Post(message, dropsOldest, isQueued: false, out dropped) == PostOutcome.Posted;
        if (!isPosted)
        {
            message.Part.Bytes.Release();
        }

        return isPosted;
    }
}
