using System.Net;
using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Middleware.ProxyProtocol;

/// <summary>Every log message of the PROXY protocol. Event ids are stable.</summary>
internal static partial class ProxyProtocolLog
{
    /// <summary>Under which they are logged.</summary>
    public const string Category = "Peregrine.Middleware.ProxyProtocol";

    [LoggerMessage(200, LogLevel.Debug, "Connection {ConnectionId} from {RemoteEndPoint} is refused by the PROXY protocol: {Explanation}")]
    public static partial void Refused(ILogger logger, string connectionId, EndPoint? remoteEndPoint, string explanation);

    [LoggerMessage(201, LogLevel.Warning,
        "A connection from {RemoteEndPoint} is refused by the PROXY protocol: {Explanation}. {More} more were refused since the last such message; it comes once a minute at most")]
    public static partial void RefusedSinceLastReport(ILogger logger, EndPoint? remoteEndPoint, string explanation, long more);

    [LoggerMessage(202, LogLevel.Debug, "Connection {ConnectionId} from {RemoteEndPoint} ended before its PROXY protocol header: {Problem}")]
    public static partial void EndedWithoutHeader(ILogger logger, string connectionId, EndPoint? remoteEndPoint, string problem);

    [LoggerMessage(203, LogLevel.Debug,
        "Connection {ConnectionId}: PROXY protocol version {Version}, {Command}, from {Source} to {Destination}, by {Proxy}")]
    public static partial void Accepted(
        ILogger logger, string connectionId, int version, ProxyProtocolCommand command, EndPoint? source, EndPoint? destination, EndPoint? proxy);
}
