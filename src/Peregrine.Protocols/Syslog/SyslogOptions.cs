namespace Peregrine.Protocols;

/// <summary>How messages of syslog are framed (RFC 6587), and how large they may be.</summary>
public sealed class SyslogOptions
{
    /// <summary>
    /// Default <see cref="SyslogFraming.Auto"/>. Where all senders are known to use the same one, name it: a line that begins with a number and a space is then no count.
    /// </summary>
    public SyslogFraming Framing { get; set; }

    /// <summary>What is behind a message that is not counted: one or two bytes. Default a line feed; others are NUL, and carriage return and line feed.</summary>
    public ReadOnlyMemory<byte> Trailer { get; set; } = "\n"u8.ToArray();

    /// <summary>
    /// The most bytes of a message, without its framing. From 1 to 999,999,999. Default 64 KiB. A receiver must take 2,048 bytes and should take 8,192 (RFC 5425, section 4.3.1).
    /// </summary>
    public int MaxMessageSizeInBytes { get; set; } = 64 * 1024;

    /// <summary>
    /// The reader cuts a message that is larger, and says so (<see cref="SyslogFrame.IsTruncated"/>); its rest is let go as it comes. Default true: RFC 5424, section 6.1 lets a receiver do so, and a sender that is
    /// refused comes back with the same message, so that all that is behind it is lost. False: <see cref="MessageTooLargeException"/>, and nothing more is read.
    /// </summary>
    public bool TruncatesLargeMessages { get; set; } = true;
}
