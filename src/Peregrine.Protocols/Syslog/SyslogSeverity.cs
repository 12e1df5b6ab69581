namespace Peregrine.Protocols;

/// <summary>How bad it is (RFC 5424, section 6.2.1, table 2): the smaller, the worse.</summary>
public enum SyslogSeverity
{
    /// <summary>The system is unusable.</summary>
    Emergency = 0,

    /// <summary>Somebody must act at once.</summary>
    Alert = 1,

    /// <summary>A critical condition.</summary>
    Critical = 2,

    /// <summary>An error.</summary>
    Error = 3,

    /// <summary>A warning.</summary>
    Warning = 4,

    /// <summary>Normal, but worth notice.</summary>
    Notice = 5,

    /// <summary>Information.</summary>
    Informational = 6,

    /// <summary>For who looks for an error.</summary>
    Debug = 7,
}
