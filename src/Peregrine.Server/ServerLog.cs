using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Server;

/// <summary>Every log message of this assembly. Event ids are stable.</summary>
internal static partial class ServerLog
{
    /// <summary>Under which they are logged.</summary>
    public const string Category = "Peregrine.Server";

    [LoggerMessage(1, LogLevel.Information, "Listening on {Url} (endpoint \"{Endpoint}\")")]
    public static partial void Listening(ILogger logger, string url, string endpoint);

    [LoggerMessage(2, LogLevel.Critical, "Cannot start: {Problem}")]
    public static partial void CannotStart(ILogger logger, string problem);

    [LoggerMessage(3, LogLevel.Information, "Stopped: {Open} connections were open, {Reset} of them were reset at the deadline, {Left} are left behind by their handlers; {TimeWait} sockets of the server's ports are in TIME_WAIT")]
    public static partial void Stopped(ILogger logger, long open, int reset, int left, string timeWait);

    [LoggerMessage(4, LogLevel.Warning,
        "Endpoint \"{Endpoint}\": {Count} connections were still open {When} and are reset; the handlers of {Handling} of them have not ended since IConnectionLifetimeNotificationFeature.ConnectionClosedRequested was signalled")]
    public static partial void DrainDeadline(ILogger logger, string endpoint, int count, string when, int handling);

    [LoggerMessage(5, LogLevel.Warning, "Endpoint \"{Endpoint}\": {Count} handlers did not end even after their connections were reset; they are left behind")]
    public static partial void HandlersLeftBehind(ILogger logger, string endpoint, int count);

    [LoggerMessage(6, LogLevel.Error, "Endpoint \"{Endpoint}\": accepting fails; it is tried again at intervals of up to one second")]
    public static partial void AcceptFailed(ILogger logger, string endpoint, Exception exception);

    [LoggerMessage(7, LogLevel.Critical, "Endpoint \"{Endpoint}\": the listener of {Url} is gone; it accepts no connections any more")]
    public static partial void ListenerGone(ILogger logger, string endpoint, string url);

    [LoggerMessage(8, LogLevel.Error, "Endpoint \"{Endpoint}\": the handler of connection {ConnectionId} failed")]
    public static partial void HandlerFailed(ILogger logger, string endpoint, string connectionId, Exception exception);

    [LoggerMessage(9, LogLevel.Debug, "Endpoint \"{Endpoint}\": connection {ConnectionId} from {RemoteEndPoint} started")]
    public static partial void ConnectionStarted(ILogger logger, string endpoint, string connectionId, System.Net.EndPoint? remoteEndPoint);

    [LoggerMessage(10, LogLevel.Debug,
        "Endpoint \"{Endpoint}\": connection {ConnectionId} ended ({Reason}) after {Duration}; {BytesReceived} bytes received, {BytesSent} sent")]
    public static partial void ConnectionEnded(
        ILogger logger, string endpoint, string connectionId, ConnectionCloseReason reason, TimeSpan duration, long bytesReceived, long bytesSent);

    [LoggerMessage(11, LogLevel.Warning, "Endpoint \"{Endpoint}\": closing connection {ConnectionId} failed")]
    public static partial void CloseFailed(ILogger logger, string endpoint, string connectionId, Exception exception);

    [LoggerMessage(12, LogLevel.Warning, "Endpoint \"{Endpoint}\": a callback on ConnectionClosedRequested of connection {ConnectionId} failed")]
    public static partial void CloseRequestedCallbackFailed(ILogger logger, string endpoint, string connectionId, Exception exception);

    [LoggerMessage(13, LogLevel.Warning, "Endpoint \"{Endpoint}\": closing the listener failed")]
    public static partial void ListenerCloseFailed(ILogger logger, string endpoint, Exception exception);

    [LoggerMessage(15, LogLevel.Information,
        "Stopping ({Stage}): {Handling} connections have handlers at work, {Closing} are closing; {Elapsed} of Peregrine:ShutdownTimeout ({Timeout}) have passed")]
    public static partial void StopProgress(ILogger logger, string stage, int handling, int closing, TimeSpan elapsed, TimeSpan timeout);

    [LoggerMessage(16, LogLevel.Information, "Endpoint \"{Endpoint}\" is suspended: nothing is accepted until it is resumed; {Count} connections are open")]
    public static partial void Suspended(ILogger logger, string endpoint, int count);

    [LoggerMessage(17, LogLevel.Warning,
        "The socket \"{Name}\" (descriptor {Descriptor}) was passed to this process, and no endpoint uses it: its clients wait for ever; set the Url of an endpoint to systemd://{Name}, or do not pass it")]
    public static partial void PassedSocketUnused(ILogger logger, string name, int descriptor);

    [LoggerMessage(18, LogLevel.Information, "The settings have changed: limits, timeouts and addresses are in effect, the rest is at the next start")]
    public static partial void SettingsChanged(ILogger logger);

    [LoggerMessage(19, LogLevel.Error, "The settings have changed and are not taken over, those before stay: {Problem}")]
    public static partial void SettingsRefused(ILogger logger, string problem);

    [LoggerMessage(20, LogLevel.Error, "A listener on changes of the settings failed")]
    public static partial void SettingsListenerFailed(ILogger logger, Exception exception);

    [LoggerMessage(40, LogLevel.Warning, "systemd's watchdog could not be told that the process is alive; it is tried again in time: {Problem}")]
    public static partial void WatchdogNotFed(ILogger logger, string problem);

    [LoggerMessage(21, LogLevel.Debug, "Endpoint \"{Endpoint}\": a connection from {RemoteEndPoint} is refused ({Reason})")]
    public static partial void Refused(ILogger logger, string endpoint, System.Net.EndPoint? remoteEndPoint, ConnectionCloseReason reason);

    [LoggerMessage(22, LogLevel.Warning,
        "Endpoint \"{Endpoint}\": {Count} connections were refused since the last report ({Reason}), the last one from {RemoteEndPoint}, because of {Setting}: {Remedy}")]
    public static partial void RefusedSinceLastReport(
        ILogger logger, string endpoint, long count, ConnectionCloseReason reason, System.Net.EndPoint? remoteEndPoint, string setting, string remedy);

    [LoggerMessage(23, LogLevel.Warning,
        "Endpoint \"{Endpoint}\": {Setting} ({Value}) is reached, so that further clients wait in the system's queue; raise it, if the machine can take more")]
    public static partial void AtLimit(ILogger logger, string endpoint, string setting, int value);

    [LoggerMessage(24, LogLevel.Error,
        "Endpoint \"{Endpoint}\": a loop that accepts on {EndPoint} has made no progress for {Seconds} seconds ({Step}); {Queued} connections wait in the system's queue. If it is Admitting, something that it calls blocks: a log, a listener of metrics, the transport")]
    public static partial void LoopWithoutProgress(
        ILogger logger, string endpoint, System.Net.EndPoint endPoint, int seconds, Accept.AcceptStep step, int? queued);

    [LoggerMessage(25, LogLevel.Warning, "The accept loops could not be looked at")]
    public static partial void WatchdogFailed(ILogger logger, Exception exception);

    [LoggerMessage(26, LogLevel.Critical,
        "The application is stopped, because the listener of endpoint \"{Endpoint}\" is gone (Peregrine:StopHostWhenListenerIsGone)")]
    public static partial void StoppingHost(ILogger logger, string endpoint);

    [LoggerMessage(27, LogLevel.Information,
        "At most {Connections} connections are accepted (Peregrine:Limits:MaxConnections), {PerAddress} of one address; the process may have {Limit} descriptors")]
    public static partial void ConnectionBudget(ILogger logger, int? connections, int? perAddress, string limit);

    [LoggerMessage(30, LogLevel.Debug, "Endpoint \"{Endpoint}\": connection {ConnectionId} from {RemoteEndPoint} is reset ({Reason}): {Explanation}")]
    public static partial void ConnectionRefused(
        ILogger logger, string endpoint, string connectionId, System.Net.EndPoint? remoteEndPoint, ConnectionCloseReason reason, string explanation);

    [LoggerMessage(31, LogLevel.Warning,
        "Endpoint \"{Endpoint}\": a connection from {RemoteEndPoint} is reset ({Reason}): {Explanation} {More} more were for this reason since the last such message; it comes once a minute at most")]
    public static partial void ConnectionsRefused(
        ILogger logger, string endpoint, System.Net.EndPoint? remoteEndPoint, ConnectionCloseReason reason, string explanation, long more);

    [LoggerMessage(32, LogLevel.Error, "The heartbeat failed; timeouts are looked at again in a second")]
    public static partial void HeartbeatFailed(ILogger logger, Exception exception);

    [LoggerMessage(33, LogLevel.Error, "Endpoint \"{Endpoint}\": the timeouts of a connection could not be looked at; it is tried again in a second")]
    public static partial void LookFailed(ILogger logger, string endpoint, Exception exception);

    [LoggerMessage(50, LogLevel.Error,
        "Endpoint \"{Endpoint}\": the handler of a batch of datagrams failed, and the batch is dropped; {Count} batches since the last such message, which comes once a minute at most")]
    public static partial void DatagramHandlerFailed(ILogger logger, string endpoint, long count, Exception exception);

    [LoggerMessage(51, LogLevel.Warning,
        "Endpoint \"{Endpoint}\": {Count} datagrams were dropped since the last report ({Reason}), because of {Setting}: {Remedy}")]
    public static partial void DatagramsDropped(ILogger logger, string endpoint, long count, DatagramDropReason reason, string setting, string remedy);

    [LoggerMessage(52, LogLevel.Error, "Endpoint \"{Endpoint}\": a callback of OnHeartbeat failed; it is called again in a second")]
    public static partial void DatagramHeartbeatFailed(ILogger logger, string endpoint, Exception exception);

    [LoggerMessage(53, LogLevel.Error, "Endpoint \"{Endpoint}\": a callback of OnStopping failed")]
    public static partial void DatagramDrainFailed(ILogger logger, string endpoint, Exception exception);

    [LoggerMessage(54, LogLevel.Warning, "Endpoint \"{Endpoint}\": stopping or closing its socket failed")]
    public static partial void DatagramSocketFailed(ILogger logger, string endpoint, Exception exception);

    [LoggerMessage(55, LogLevel.Information, "Endpoint \"{Endpoint}\" is suspended: no datagrams are received until it is resumed")]
    public static partial void DatagramsSuspended(ILogger logger, string endpoint);

    [LoggerMessage(56, LogLevel.Warning, "Endpoint \"{Endpoint}\": its stop was not over {When}: it waited for {Step}, which it does no more; {Dropped} datagrams were still to be handled and are dropped")]
    public static partial void DatagramDeadline(ILogger logger, string endpoint, string when, string step, long dropped);

    [LoggerMessage(57, LogLevel.Information, "Stopped: {Received} datagrams were received since the start and {Sent} sent; {Dropped} were dropped at the deadline of the stop")]
    public static partial void DatagramsStopped(ILogger logger, long received, long sent, long dropped);

    [LoggerMessage(60, LogLevel.Information, "The server is ready, which {Addresses} tells by accepting connections (Peregrine:Health:Url)")]
    public static partial void ProbeOpened(ILogger logger, string addresses);

    [LoggerMessage(61, LogLevel.Information, "The server is not ready, which {Addresses} tells by refusing connections (Peregrine:Health:Url): {Problem}")]
    public static partial void ProbeClosed(ILogger logger, string addresses, string problem);

    [LoggerMessage(62, LogLevel.Warning,
        "The port of Peregrine:Health:Url ({Url}) cannot be opened or closed, so that the server seems not to be ready; it is tried again every second: {Problem}")]
    public static partial void ProbeFailed(ILogger logger, string url, string problem);

    [LoggerMessage(70, LogLevel.Information, "Administered by the Unix domain socket {Path} (Peregrine:Admin:Socket)")]
    public static partial void AdminListening(ILogger logger, string path);

    [LoggerMessage(71, LogLevel.Information, "Endpoint \"{Endpoint}\": connection {ConnectionId} is {How} by an administrator")]
    public static partial void AdminClosed(ILogger logger, string endpoint, string connectionId, string how);

    [LoggerMessage(72, LogLevel.Information, "Settings were changed by an administrator, until the configuration changes or the process ends: {Settings}")]
    public static partial void SettingsChangedByAdmin(ILogger logger, string settings);

    [LoggerMessage(73, LogLevel.Warning, "The configuration has changed: what an administrator has set does not hold any more ({Settings})")]
    public static partial void AdminChangesGone(ILogger logger, string settings);

    [LoggerMessage(74, LogLevel.Warning, "A process of another user has connected to the socket of Peregrine:Admin:Socket and is refused; {More} more since the last such message")]
    public static partial void AdminRefused(ILogger logger, long more);

    [LoggerMessage(75, LogLevel.Error, "A connection to the socket of Peregrine:Admin:Socket could not be served; others are")]
    public static partial void AdminFailed(ILogger logger, Exception exception);

    [LoggerMessage(14, LogLevel.Error, "Endpoint \"{Endpoint}\": a connection could not be started and is reset")]
    public static partial void StartFailed(ILogger logger, string endpoint, Exception exception);
}
