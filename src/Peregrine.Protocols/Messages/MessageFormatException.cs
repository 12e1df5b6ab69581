namespace Peregrine.Protocols;

/// <summary>Bytes that are no message of the format: what a peer has sent, or what was to be written.</summary>
public class MessageFormatException : Exception
{
    /// <inheritdoc cref="MessageFormatException(string, Exception)"/>
    public MessageFormatException()
        : this("The bytes are no message of the format.")
    {
    }

    /// <inheritdoc cref="MessageFormatException(string, Exception)"/>
    public MessageFormatException(string message)
        : base(message)
    {
    }

    /// <param name="message">What is wrong, for a log: no bytes of the peer's that could harm it.</param>
    /// <param name="innerException">What has found it.</param>
    public MessageFormatException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }

    /// <summary>The message that is wrong is consumed, and its end is known: the next one can be read. Otherwise there is nothing to do but to close.</summary>
    public bool IsSkippable { get; internal set; }
}

/// <summary>A message that is larger than <see cref="IMessageReader{TMessage}.MaxMessageSizeInBytes"/>.</summary>
public sealed class MessageTooLargeException : MessageFormatException
{
    /// <inheritdoc cref="MessageFormatException(string, Exception)"/>
    public MessageTooLargeException()
        : this("A message is larger than MaxMessageSizeInBytes.")
    {
    }

    /// <inheritdoc cref="MessageFormatException(string, Exception)"/>
    public MessageTooLargeException(string message)
        : base(message)
    {
    }

    /// <inheritdoc cref="MessageFormatException(string, Exception)"/>
    public MessageTooLargeException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }

    /// <param name="size">Its size, as far as it is known, in bytes.</param>
    /// <param name="most">What is accepted.</param>
    public MessageTooLargeException(long size, int most)
        : this($"A message of {size} bytes or more is larger than MaxMessageSizeInBytes ({most}).")
    {
    }
}

/// <summary>The input has ended in the middle of a message. A peer that is done ends after one.</summary>
public sealed class MessageTruncatedException : MessageFormatException
{
    /// <inheritdoc cref="MessageFormatException(string, Exception)"/>
    public MessageTruncatedException()
        : this("The input has ended in the middle of a message.")
    {
    }

    /// <inheritdoc cref="MessageFormatException(string, Exception)"/>
    public MessageTruncatedException(string message)
        : base(message)
    {
    }

    /// <inheritdoc cref="MessageFormatException(string, Exception)"/>
    public MessageTruncatedException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }

    /// <param name="bytes">How much of the message was there.</param>
    public MessageTruncatedException(long bytes)
        : this($"The input has ended in the middle of a message, after {bytes} bytes of it.")
    {
    }
}
