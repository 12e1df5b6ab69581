namespace Peregrine.Protocols;

/// <summary>Where the length of a message is, and what it counts. The defaults are four bytes in network order in front of what they count.</summary>
public sealed class LengthFieldOptions
{
    /// <summary>How many bytes are in front of the length, as a message type or a mark. From 0. Default 0.</summary>
    public int Offset { get; set; }

    /// <summary>The width of the length, in bytes: 1, 2, 3, 4 (default) or 8. It is unsigned.</summary>
    public int Width { get; set; } = 4;

    /// <summary>The least significant byte comes first. Default false: network order, the most significant one first.</summary>
    public bool IsLittleEndian { get; set; }

    /// <summary>
    /// What is added to the length to have the number of bytes behind it. Default 0. For example 4, where a checksum of four bytes follows that is not counted.
    /// </summary>
    public int Adjustment { get; set; }

    /// <summary>The length counts the whole frame, with itself and what is in front of it. Default false. The <see cref="Adjustment"/> is added all the same.</summary>
    public bool CountsHeader { get; set; }

    /// <summary>How many bytes of the beginning of the frame are not handed out. From 0. Default null: all that is in front of the length, and the length itself.</summary>
    public int? BytesToStrip { get; set; }

    /// <summary>The most bytes that a frame may have, with all of its parts. From 1. Default 1 MiB. Above it, a frame is refused when its length is there.</summary>
    public int MaxMessageSizeInBytes { get; set; } = MessageSizes.DefaultMost;
}
