namespace Peregrine.Protocols;

/// <summary>Options of JSON values one behind the other.</summary>
public sealed class JsonValueOptions
{
    /// <summary>How deep objects and arrays may be in each other. From 1. Default 64. A value that is deeper is refused where it becomes so.</summary>
    public int MaxDepth { get; set; } = 64;

    /// <summary>
    /// Whether each value is written behind a record separator, 0x1E (JSON text sequences, RFC 7464). Default false. It is read in any case.
    /// </summary>
    public bool WritesRecordSeparator { get; set; }

    /// <summary>
    /// The most bytes that a value may have, with the separators that are written with it. From 3. Default 1 MiB. A larger one is refused
    /// when so many bytes are there.
    /// </summary>
    public int MaxMessageSizeInBytes { get; set; } = MessageSizes.DefaultMost;
}
