using System.Net;
using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Middleware.Refusals;

/// <summary>What <see cref="RefusalReport"/> logs, under the category <c>Peregrine.Middleware</c>. Event ids are stable.</summary>
internal static partial class RefusalLog
{
    /// <summary>Under which they are logged.</summary>
    public const string Category = "Peregrine.Middleware";

    [LoggerMessage(30, LogLevel.Debug, "Connection {ConnectionId} from {RemoteEndPoint} is reset ({Reason}): {Explanation}")]
    public static partial void Refused(
        ILogger logger, string connectionId, EndPoint? remoteEndPoint, ConnectionCloseReason reason, string explanation);

    [LoggerMessage(31, LogLevel.Warning,
        "A connection from {RemoteEndPoint} is reset ({Reason}): {Explanation} {More} more were for this reason since the last such message; it comes once a minute at most")]
    public static partial void RefusedSinceLastReport(
        ILogger logger, EndPoint? remoteEndPoint, ConnectionCloseReason reason, string explanation, long more);
}
