namespace Peregrine.Protocols;

/// <summary>How the messages of a connection are handled.</summary>
public sealed class MessageHandlerOptions
{
    /// <summary>
    /// How many messages of one connection are handled at once. From 1, the default: the next one when the handler of the last is done, so that a view is valid until
    /// then. At the limit, nothing more is read; one that is done and waits for its turn (<see cref="RepliesInOrder"/>) counts. With more than one, each handler begins in the order of the messages, and a view is valid up to its first wait only.
    /// </summary>
    public int MaxConcurrency { get; set; } = 1;

    /// <summary>
    /// What handlers that run at once write goes out in the order of their messages, as a peer expects that pairs answers with requests by counting. Default true. A
    /// <see cref="MessageContext{TOut}.WriteAsync"/> then waits for its turn. False is for protocols whose answers carry an id.
    /// </summary>
    public bool RepliesInOrder { get; set; } = true;

    /// <summary>The bound of the connection's <see cref="MessageWriter"/>, in bytes: what others may post to a peer that does not read. From 1. Default 64 KiB.</summary>
    public int MaxPendingBytes { get; set; } = MessageWriter.DefaultMaxPendingBytes;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxConcurrency, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxPendingBytes, 1);
    }
}
