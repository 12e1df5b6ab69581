using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Peregrine.Protocols;

/// <summary>Finds the messages of a format in what was received: a framing, a codec, or both in one.</summary>
/// <typeparam name="TMessage">
/// What a message is: an owned value; or a view over the bytes, such as <see cref="ReadOnlySequence{T}"/> or a <c>ref struct</c>, for which nothing is
/// copied or allocated, and which is valid until its reader (<see cref="MessageReader{TMessage}"/>) waits for more.
/// </typeparam>
/// <remarks>
/// An implementation without state may be used for many connections at once, and says so; one that keeps state serves one connection.
/// </remarks>
public interface IMessageReader<TMessage>
    where TMessage : allows ref struct
{
    /// <summary>
    /// The most bytes that one message may have on the wire, its framing included. Default 1 MiB. Above it, the message is refused with
    /// <see cref="MessageTooLargeException"/>: by the implementation as soon as it knows the size, so that nothing is buffered in vain, and by
    /// <see cref="MessageReader{TMessage}"/> at the latest when so many bytes are there.
    /// </summary>
    /// <remarks>The transport's own bound (<c>MaxUnreadBytes</c>, 1 MiB by default) comes first where it is smaller.</remarks>
    int MaxMessageSizeInBytes => MessageSizes.DefaultMost;

    /// <summary>Takes the first message.</summary>
    /// <param name="input">What was received and not consumed: any number of segments, the first of which is not empty.</param>
    /// <param name="consumed">
    /// The beginning of <paramref name="input"/>. To be moved behind the message; and, where there is none yet, behind bytes that belong to no message and
    /// are not needed any more.
    /// </param>
    /// <param name="examined">
    /// How far the last call has looked that found no message here, so that a long message that comes in small parts need not be searched from its beginning each
    /// time: the beginning of <paramref name="input"/> where there was none. To be moved to where this call has looked, if it finds no message; it may
    /// be left as it is.
    /// </param>
    /// <param name="message">The message.</param>
    /// <returns>
    /// False if there is no whole message yet. If <paramref name="consumed"/> was moved and bytes are left, it is called again with them, at once: what was skipped is
    /// no part of the size of the message behind it.
    /// </returns>
    /// <exception cref="MessageFormatException">
    /// The bytes are no message. If <paramref name="consumed"/> was moved behind them, reading can go on there.
    /// </exception>
    bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, [MaybeNullWhen(false)] out TMessage message);

    /// <summary>
    /// Takes the last message of an input that has ended, where the format lets the end of the input end a message. By default it does not: bytes that are
    /// left are a truncated message, which is an error (<see cref="MessageTruncatedException"/>).
    /// </summary>
    /// <param name="input">What is left, and <see cref="TryParse"/> found no message in. Never empty.</param>
    /// <param name="consumed">As of <see cref="TryParse"/>.</param>
    /// <param name="message">The message.</param>
    bool TryParseLast(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, [MaybeNullWhen(false)] out TMessage message)
    {
        message = default;
        return false;
    }

    /// <summary>
    /// The messages that were handed out are not used any more: an implementation that decodes into rented memory gives it back here. It is called before each
    /// read of the input, and at its end, so that a connection that waits holds nothing. By default it does nothing.
    /// </summary>
    void ReturnBuffers()
    {
    }
}
