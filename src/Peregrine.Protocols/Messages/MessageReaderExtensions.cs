using System.Runtime.CompilerServices;

namespace Peregrine.Protocols;

/// <summary>Forms of reading for messages that can be kept in a variable of an asynchronous method: all but a <c>ref struct</c>.</summary>
public static class MessageReaderExtensions
{
    /// <summary>Reads one message. A view is valid until the next read.</summary>
    /// <returns>The message, or <see cref="MessageReadResult{TMessage}.IsCompleted"/> if the input has ended behind a whole one.</returns>
    /// <exception cref="MessageFormatException">See <see cref="MessageReader{TMessage}.TryRead"/>.</exception>
    /// <exception cref="MessageTruncatedException">The input has ended in the middle of a message.</exception>
    /// <exception cref="OperationCanceledException">The token, or the pending read of the input was cancelled. Reading can go on.</exception>
    public static ValueTask<MessageReadResult<TMessage>> ReadAsync<TMessage>(this MessageReader<TMessage> reader, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reader);
        return reader.TryRead(out var message)
            ? new ValueTask<MessageReadResult<TMessage>>(new MessageReadResult<TMessage>(IsCompleted: false, message))
            : WaitAsync(reader, cancellationToken);
    }

    /// <summary>
    /// Reads until the input ends: <c>await foreach (var message in reader.ReadAllAsync())</c>. A view is valid until the enumeration goes on. What
    /// <see cref="ReadAsync"/> throws ends it.
    /// </summary>
    public static async IAsyncEnumerable<TMessage> ReadAllAsync<TMessage>(
        this MessageReader<TMessage> reader, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reader);
        while (await reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            while (reader.TryRead(out var message))
            {
                yield return message;
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<MessageReadResult<TMessage>> WaitAsync<TMessage>(MessageReader<TMessage> reader, CancellationToken cancellationToken)
    {
        while (await reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            if (reader.TryRead(out var message))
            {
                return new MessageReadResult<TMessage>(IsCompleted: false, message);
            }
        }

        return new MessageReadResult<TMessage>(IsCompleted: true, default);
    }
}
