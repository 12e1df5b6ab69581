using System.Net;
using Microsoft.Extensions.Logging;

namespace Peregrine.Middleware.Tls;

/// <summary>Every log message of TLS. Event ids are stable.</summary>
internal static partial class TlsLog
{
    /// <summary>Under which they are logged.</summary>
    public const string Category = "Peregrine.Tls";

    [LoggerMessage(100, LogLevel.Debug, "{ConnectionId} from {Peer}: the TLS handshake has failed ({ErrorType}): {Reason}")]
    public static partial void HandshakeFailed(ILogger logger, string connectionId, EndPoint? peer, string errorType, string reason, Exception exception);

    [LoggerMessage(101, LogLevel.Debug, "{ConnectionId}: {Protocol}, {CipherSuite}, host \"{Host}\", application protocol \"{ApplicationProtocol}\"")]
    public static partial void HandshakeDone(ILogger logger, string connectionId, string protocol, string cipherSuite, string host, string applicationProtocol);

    [LoggerMessage(102, LogLevel.Warning, "{Setting}: the certificate \"{Subject}\" has expired on {NotAfter:u}; replace it")]
    public static partial void Expired(ILogger logger, string setting, string subject, DateTime notAfter);

    [LoggerMessage(103, LogLevel.Warning, "{Setting}: the certificate \"{Subject}\" is not valid before {NotBefore:u}; look at it and at the clock")]
    public static partial void NotYetValid(ILogger logger, string setting, string subject, DateTime notBefore);

    [LoggerMessage(104, LogLevel.Information, "{Setting}: the certificate has changed; \"{Subject}\", valid until {NotAfter:u}, is used from now on")]
    public static partial void Reloaded(ILogger logger, string setting, string subject, DateTime notAfter);

    [LoggerMessage(105, LogLevel.Warning, "The certificate that has changed cannot be used, and the old one stays until it can: {Problem}")]
    public static partial void ReloadFailed(ILogger logger, string problem);

    [LoggerMessage(106, LogLevel.Debug, "{ConnectionId}: {Reason}")]
    public static partial void Ended(ILogger logger, string connectionId, string reason);

    [LoggerMessage(107, LogLevel.Warning, "A TLS handshake has failed in a way that is not foreseen, as have {Count} others since this was last told")]
    public static partial void Unforeseen(ILogger logger, long count, Exception exception);
}
