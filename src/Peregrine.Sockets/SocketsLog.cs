using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Peregrine.Sockets;

/// <summary>Every log message of this assembly. Event ids are stable.</summary>
internal static partial class SocketsLog
{
    [LoggerMessage(1, LogLevel.Warning, "A callback on ConnectionClosed of connection {ConnectionId} failed.")]
    public static partial void ClosedCallbackFailed(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(2, LogLevel.Warning,
        "Accepting on {EndPoint} fails with {Error}; it is tried again at intervals of up to one second. TooManyOpenSockets means that the limit of open files (ulimit -n) is too low.")]
    public static partial void AcceptFailed(ILogger logger, EndPoint endPoint, SocketError error);

    [LoggerMessage(3, LogLevel.Debug, "A connection accepted on {EndPoint} was gone before it could be served: {Error}.")]
    public static partial void AcceptedConnectionGone(ILogger logger, EndPoint endPoint, string error);
}
