namespace Peregrine.Protocols;

/// <summary>What a frame like those of HDLC has in it.</summary>
public sealed class HdlcOptions
{
    /// <summary>
    /// Which of the bytes 0x00 to 0x1F are escaped when they are written, as some lines take them for their own; bit n is for byte n. Where one comes that is not
    /// escaped, the line has put it in, and it is removed. It is RFC 1662's async control character map, of which both sides must have the same. Default 0: none.
    /// </summary>
    public uint ControlCharacterMap { get; set; }

    /// <summary>
    /// A frame ends with RFC 1662's 16-bit frame check sequence. It is no part of a message. Where it is wrong, the frame is a <see cref="MessageFormatException"/>,
    /// and reading can go on. Default false.
    /// </summary>
    public bool HasFrameCheckSequence { get; set; }

    /// <summary>
    /// The most bytes that a frame may have, as it is escaped, with its check sequence, and with a flag on both sides. From 3, or 5 with a check sequence. Default 1 MiB. Above it, a
    /// frame is refused as soon as so many bytes are there.
    /// </summary>
    public int MaxMessageSizeInBytes { get; set; } = MessageSizes.DefaultMost;
}
