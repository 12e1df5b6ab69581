namespace Peregrine.Protocols;

/// <summary>
/// The limits that STOMP 1.2 proposes (section Size Limits). What is above one of them is refused with <see cref="MessageTooLargeException"/> as soon as it is known; a server
/// answers it with an ERROR frame and closes. The writer keeps them too.
/// </summary>
public sealed class StompOptions
{
    /// <summary>The most bytes that a frame may have, with all of its parts. From 1. Default 1 MiB.</summary>
    public int MaxMessageSizeInBytes { get; set; } = MessageSizes.DefaultMost;

    /// <summary>The most headers of a frame, repeated ones included. From 0. Default 100.</summary>
    public int MaxHeaders { get; set; } = 100;

    /// <summary>The most bytes of a header's line, or of the command's, without the end of the line. From 1. Default 8 KiB.</summary>
    public int MaxHeaderLineSizeInBytes { get; set; } = 8 * 1024;

    /// <summary>The most bytes of a body. From 0. Default null: as many as <see cref="MaxMessageSizeInBytes"/> leaves.</summary>
    public int? MaxBodySizeInBytes { get; set; }

    /// <summary>
    /// The writer begins a frame that may have a body (SEND, MESSAGE, ERROR) with the length of its body. Default true. Some brokers take a message without it for a text, and with it for
    /// bytes; without it, a body with a NUL is refused.
    /// </summary>
    public bool WritesContentLength { get; set; } = true;
}
