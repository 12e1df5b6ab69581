using Microsoft.Extensions.Logging;

namespace Peregrine.Protocols.Handlers;

/// <summary>What handlers of messages log, under the category <c>Peregrine.Protocols</c>. Event ids are stable.</summary>
internal static partial class MessageLog
{
    /// <summary>Under which they are logged.</summary>
    public const string Category = "Peregrine.Protocols";

    [LoggerMessage(1, LogLevel.Debug, "Connection {ConnectionId} is closed for what its peer has sent: {Problem}")]
    public static partial void ClosedForMessage(ILogger logger, string connectionId, string problem);
}
