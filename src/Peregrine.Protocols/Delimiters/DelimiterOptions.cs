namespace Peregrine.Protocols;

/// <summary>What ends a message.</summary>
public sealed class DelimiterOptions
{
    /// <summary>
    /// What ends a message: the one that begins first, and the longest of those that begin at the same place. At least one, each of 1 to 256 bytes. The first of
    /// them is the one that is written.
    /// </summary>
    /// <remarks>
    /// Where one is the beginning of another, a message that has come with the shorter one waits for the byte behind it, or for the end of the input: it is not known
    /// before which of them it is. In a protocol of questions and answers, that waits for ever: such delimiters are for peers that do not wait.
    /// </remarks>
    public IList<ReadOnlyMemory<byte>> Delimiters { get; } = [];

    /// <summary>Whether a message is handed out with its delimiter. Default false. It is written without, in any case.</summary>
    public bool KeepsDelimiter { get; set; }

    /// <summary>
    /// Whether the end of the input ends the last message, too. Default false: what has no delimiter is truncated (<see cref="MessageTruncatedException"/>). With true,
    /// a connection that breaks off looks like a last, shorter message: not for what must be whole.
    /// </summary>
    public bool EndOfInputEndsMessage { get; set; }

    /// <summary>
    /// The most bytes that a message may have, with its delimiter. Larger than the longest delimiter. Default 1 MiB. A larger one is refused when so many bytes are
    /// there without a delimiter.
    /// </summary>
    public int MaxMessageSizeInBytes { get; set; } = MessageSizes.DefaultMost;
}
