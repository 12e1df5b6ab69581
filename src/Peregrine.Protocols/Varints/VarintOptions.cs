namespace Peregrine.Protocols;

/// <summary>What the length in front of a message may be.</summary>
public sealed class VarintOptions
{
    /// <summary>
    /// The length is a number of 64 bits, in up to ten bytes. Default false: of 32 bits, in up to five. It makes no difference to what is written.
    /// </summary>
    public bool Is64Bit { get; set; }

    /// <summary>The most bytes that a message may have together with its length. From 1. Default 1 MiB. Above it, a message is refused when its length is there.</summary>
    public int MaxMessageSizeInBytes { get; set; } = MessageSizes.DefaultMost;
}
