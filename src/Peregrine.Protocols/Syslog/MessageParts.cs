namespace Peregrine.Protocols.Syslog;

/// <summary>Where the parts of a message of RFC 5424 are; what is not given is empty.</summary>
internal readonly record struct MessageParts(
    int Priority, DateTimeOffset? Timestamp, Part HostName, Part AppName, Part ProcessId, Part MessageId, Part StructuredData, int TextStart, bool HasByteOrderMark);

/// <summary>A part of a message, its place counted from the beginning.</summary>
internal readonly record struct Part(int Start, int Length);
