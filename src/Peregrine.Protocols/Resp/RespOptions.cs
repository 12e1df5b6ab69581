namespace Peregrine.Protocols;

/// <summary>What is accepted of a peer that speaks RESP, the protocol of Redis. The defaults are those of Redis itself, but for the size of a message.</summary>
public sealed class RespOptions
{
    /// <summary>
    /// The most bytes that a command, or a value with all that is in it, may have. From 1. Default 1 MiB (Redis: <c>client-query-buffer-limit</c>, 1 GiB). Above it, it is
    /// refused as soon as its lengths say so.
    /// </summary>
    public int MaxMessageSizeInBytes { get; set; } = MessageSizes.DefaultMost;

    /// <summary>The most bytes that one bulk string, bulk error or verbatim string may have. From 0. Default 512 MiB (<c>proto-max-bulk-len</c>).</summary>
    public int MaxBulkLengthInBytes { get; set; } = 512 * 1024 * 1024;

    /// <summary>The most bytes that an inline command, a simple string, an error or a big number may have. From 1. Default 64 KiB.</summary>
    public int MaxLineLengthInBytes { get; set; } = 64 * 1024;

    /// <summary>The most arguments that a command may have, its name included. From 1. Default 1,048,576. A value is bounded by its size only.</summary>
    public int MaxArguments { get; set; } = 1024 * 1024;

    /// <summary>
    /// How deep a value may be nested: an array of integers has the depth 1. From 0 to 1024. Default 32. Whoever walks values with a recursive method needs stack for so many calls.
    /// </summary>
    public int MaxDepth { get; set; } = 32;
}
