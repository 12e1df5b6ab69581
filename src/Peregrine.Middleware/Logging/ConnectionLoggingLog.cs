using Microsoft.Extensions.Logging;

namespace Peregrine.Middleware.Logging;

/// <summary>What <see cref="ConnectionLoggingMiddleware"/> logs, under the category of its options. Event ids are stable.</summary>
internal static partial class ConnectionLoggingLog
{
    /// <summary>Under which they are logged, unless the options have another.</summary>
    public const string Category = "Peregrine.Middleware.ConnectionLogging";

    [LoggerMessage(1, LogLevel.Debug, "Connection {ConnectionId}: {Direction} {Count} bytes at offset {Offset}")]
    public static partial void Passed(ILogger logger, string connectionId, LoggedDirection direction, long count, long offset);

    [LoggerMessage(2, LogLevel.Trace, "Connection {ConnectionId}: {Direction} {Count} bytes at offset {Offset}{Dump}")]
    public static partial void Dumped(ILogger logger, string connectionId, LoggedDirection direction, long count, long offset, string dump);

    [LoggerMessage(3, LogLevel.Debug, "Connection {ConnectionId}: {Direction} the end at offset {Offset}")]
    public static partial void Ended(ILogger logger, string connectionId, LoggedDirection direction, long offset);

    [LoggerMessage(4, LogLevel.Debug, "Connection {ConnectionId}: {Count} bytes that were written at offset {Offset} were not flushed")]
    public static partial void Unflushed(ILogger logger, string connectionId, long count, long offset);
}
