namespace Peregrine.Protocols;

/// <summary>How messages of syslog are told from each other in a stream (RFC 6587, section 3.4).</summary>
public enum SyslogFraming
{
    /// <summary>
    /// The reader decides for each message: one that begins with a number and a space is counted, any other ends with the trailer. The writer counts.
    /// </summary>
    Auto,

    /// <summary>The length of the message in digits, a space, and the message, which may have any bytes in it. The only one with TLS (RFC 5425).</summary>
    OctetCounting,

    /// <summary>The message, and behind it the trailer, which must not be in it.</summary>
    NonTransparent,
}
