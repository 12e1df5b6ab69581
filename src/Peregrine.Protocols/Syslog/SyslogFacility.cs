namespace Peregrine.Protocols;

/// <summary>What kind of part of a system has written a message (RFC 5424, section 6.2.1, table 1).</summary>
public enum SyslogFacility
{
    /// <summary>The kernel.</summary>
    Kernel = 0,

    /// <summary>A program of a user.</summary>
    User = 1,

    /// <summary>The mail system.</summary>
    Mail = 2,

    /// <summary>A daemon of the system.</summary>
    Daemon = 3,

    /// <summary>Security and authorization.</summary>
    Authorization = 4,

    /// <summary>Syslog itself.</summary>
    Syslog = 5,

    /// <summary>The printers.</summary>
    Printer = 6,

    /// <summary>The news.</summary>
    News = 7,

    /// <summary>UUCP.</summary>
    Uucp = 8,

    /// <summary>The clock: cron, on most systems 9.</summary>
    Cron = 9,

    /// <summary>Security and authorization, for few to read.</summary>
    PrivateAuthorization = 10,

    /// <summary>FTP.</summary>
    Ftp = 11,

    /// <summary>NTP.</summary>
    Ntp = 12,

    /// <summary>An audit.</summary>
    Audit = 13,

    /// <summary>An alert.</summary>
    Alert = 14,

    /// <summary>The clock, on some systems.</summary>
    Clock = 15,

    /// <summary>For local use.</summary>
    Local0 = 16,

    /// <summary>For local use.</summary>
    Local1 = 17,

    /// <summary>For local use.</summary>
    Local2 = 18,

    /// <summary>For local use.</summary>
    Local3 = 19,

    /// <summary>For local use.</summary>
    Local4 = 20,

    /// <summary>For local use.</summary>
    Local5 = 21,

    /// <summary>For local use.</summary>
    Local6 = 22,

    /// <summary>For local use.</summary>
    Local7 = 23,
}
