using Microsoft.Extensions.Logging;

namespace Peregrine.Middleware.Sessions;

/// <summary>What sessions log. Event ids are stable.</summary>
internal static partial class SessionLog
{
    public const string Category = "Peregrine.Middleware.Sessions";

    [LoggerMessage(300, LogLevel.Debug, "Session {Session} with {RemoteAddress} on {Endpoint} has ended ({Reason}), and its handler with it: {Problem}")]
    public static partial void HandlerCancelled(
        ILogger logger, long session, DatagramAddress remoteAddress, string endpoint, DatagramSessionEndReason reason, string problem);

    [LoggerMessage(301, LogLevel.Error,
        "The handler of session {Session} with {RemoteAddress} on {Endpoint} has failed, which ends the session. {More} more have since the last such message; it comes once a minute at most")]
    public static partial void HandlerFailed(ILogger logger, Exception exception, long session, DatagramAddress remoteAddress, string endpoint, long more);

    [LoggerMessage(302, LogLevel.Error,
        "{Setting} of {Endpoint} has failed for a datagram from {RemoteAddress}, which is dropped. {More} more were since the last such message; it comes once a minute at most")]
    public static partial void CallbackFailed(ILogger logger, Exception exception, string setting, string endpoint, DatagramAddress remoteAddress, long more);

    [LoggerMessage(303, LogLevel.Warning,
        "A datagram from {RemoteAddress} begins no session on {Endpoint} ({Reason}): {Explanation} {More} more were for this reason since the last such message; it comes once a minute at most")]
    public static partial void LimitReached(
        ILogger logger, DatagramAddress remoteAddress, string endpoint, DatagramDropReason reason, string explanation, long more);

    [LoggerMessage(304, LogLevel.Warning,
        "At the deadline of the stop {Count} session handlers of {Endpoint} have not returned: they run on, without their sessions. A handler returns when the enumeration of its session ends")]
    public static partial void HandlersLeft(ILogger logger, int count, string endpoint);

    [LoggerMessage(305, LogLevel.Error, "What was registered with Stopping of the sessions of {Endpoint} has failed; the stop goes on")]
    public static partial void StoppingFailed(ILogger logger, Exception exception, string endpoint);
}
