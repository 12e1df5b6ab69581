using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;
using Peregrine.Features;

namespace Peregrine.Server.Connections;

/// <summary>One connection from its start to its end: runs the endpoint's pipeline, then closes. Each step is guarded.</summary>
internal sealed class ServerConnection : IThreadPoolWorkItem, IConnectionLifetimeNotificationFeature
{
    private static readonly TaskCompletionSource s_gone = CreateGone();

    private readonly ConnectionContext _connection;
    private readonly ConnectionDelegate _pipeline;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly IConnectionCloseFeature _close;
    private readonly ConnectionTracker _tracker;
    private TaskCompletionSource? _ended;
    private LazySignal _closeRequested;

    public ServerConnection(ConnectionContext connection, string endpoint, ConnectionDelegate pipeline, ConnectionTracker tracker, TimeProvider clock, ILogger logger)
    {
        _connection = connection;
        _pipeline = pipeline;
        _tracker = tracker;
        _clock = clock;
        _logger = logger;
        Endpoint = endpoint;
        _close = connection.Features.Get<IConnectionCloseFeature>() ?? AddCloseFeature(connection);
        connection.Features.Set<IConnectionLifetimeNotificationFeature>(this);
    }

    public string Endpoint { get; }

    /// <summary>The tracker's list.</summary>
    public ServerConnection? Next { get; set; }

    /// <summary>The tracker's list.</summary>
    public ServerConnection? Previous { get; set; }

    /// <summary>Completes when the connection is gone, never with an exception. Made when it is asked for: only a stop does.</summary>
    public Task Ended => Volatile.Read(ref _ended)?.Task ?? AddEnded();

    public CancellationToken ConnectionClosedRequested
    {
        get => _closeRequested.Token;
        set => _closeRequested.Token = value;
    }

    /// <summary>Asks the handler to end.</summary>
    public void RequestClose() =>
        _closeRequested.Fire(exception => ServerLog.CloseRequestedCallbackFailed(_logger, Endpoint, _connection.ConnectionId, exception));

    /// <summary>Resets the connection because the time for its end is over.</summary>
    public void Abort()
    {
        _close.TrySetReason(ConnectionCloseReason.DrainDeadline);
        try
        {
            _connection.Abort(new ConnectionAbortedException("The server's shutdown timeout is over."));
        }
        catch (Exception exception)
        {
            ServerLog.CloseFailed(_logger, Endpoint, _connection.ConnectionId, exception);
        }
    }

    void IThreadPoolWorkItem.Execute() => _ = RunAsync();

    private async Task RunAsync()
    {
        try
        {
            var started = _clock.GetTimestamp();
            var isLogged = _logger.IsEnabled(LogLevel.Debug);
            if (isLogged)
            {
                ServerLog.ConnectionStarted(_logger, Endpoint, _connection.ConnectionId, _connection.RemoteEndPoint);
            }

            Exception? failure = null;
            try
            {
                await _pipeline(_connection).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                failure = FailureOf(exception);
            }

            _close.TrySetReason(_closeRequested.IsFired ? ConnectionCloseReason.ServerStopping : ConnectionCloseReason.HandlerCompleted);
            await CloseAsync(failure).ConfigureAwait(false);
            if (isLogged)
            {
                var bytes = _connection.Features.Get<IConnectionByteCountFeature>();
                ServerLog.ConnectionEnded(
                    _logger, Endpoint, _connection.ConnectionId, _close.Reason, _clock.GetElapsedTime(started), bytes?.BytesReceived ?? 0, bytes?.BytesSent ?? 0);
            }
        }
        finally
        {
            // Whatever a foreign feature throws, the stop does not wait for a connection that is gone.
            _tracker.Remove(this);
            if (Interlocked.CompareExchange(ref _ended, s_gone, null) is { } ended)
            {
                ended.SetResult();
            }
        }
    }

    /// <summary>Null for what is no failure of the handler: the peer's reset, this side's abort, the answer to a request to end.</summary>
    private Exception? FailureOf(Exception exception)
    {
        if (IsExpected(exception))
        {
            return null;
        }

        _close.TrySetReason(ConnectionCloseReason.HandlerFailed);
        ServerLog.HandlerFailed(_logger, Endpoint, _connection.ConnectionId, exception);
        return exception;
    }

    private Task AddEnded()
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return (Interlocked.CompareExchange(ref _ended, ended, null) ?? ended).Task;
    }

    /// <summary>
    /// Whether an exception is this connection's own end, and not that of another, say of a proxy's upstream, or a timeout of the handler's.
    /// </summary>
    /// <remarks><see cref="ConnectionAbortedException"/> is an <see cref="OperationCanceledException"/>.</remarks>
    private bool IsExpected(Exception exception) => exception switch
    {
        ConnectionAbortedException or IOException => HasFailed,
        OperationCanceledException canceled => HasFailed || _closeRequested.IsFired || canceled.CancellationToken == _connection.ConnectionClosed,
        _ => false,
    };

    // A transport that tells no reason is believed.
    private bool HasFailed => _close is CloseFeature || _close.Reason is
        ConnectionCloseReason.PeerReset or ConnectionCloseReason.Aborted or ConnectionCloseReason.IoError or ConnectionCloseReason.DrainDeadline;

    private async Task CloseAsync(Exception? failure)
    {
        try
        {
            await _connection.Transport.Output.CompleteAsync(failure).ConfigureAwait(false);
            await _connection.Transport.Input.CompleteAsync(failure).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            ServerLog.CloseFailed(_logger, Endpoint, _connection.ConnectionId, exception);
        }

        try
        {
            await _connection.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            ServerLog.CloseFailed(_logger, Endpoint, _connection.ConnectionId, exception);
        }
    }

    private static TaskCompletionSource CreateGone()
    {
        var gone = new TaskCompletionSource();
        gone.SetResult();
        return gone;
    }

    private static CloseFeature AddCloseFeature(ConnectionContext connection)
    {
        var feature = new CloseFeature();
        connection.Features.Set<IConnectionCloseFeature>(feature);
        return feature;
    }

    /// <summary>For a transport that brings none, such as Kestrel's.</summary>
    private sealed class CloseFeature : IConnectionCloseFeature
    {
        private int _reason;

        public ConnectionCloseReason Reason => (ConnectionCloseReason)Volatile.Read(ref _reason);

        public bool TrySetReason(ConnectionCloseReason reason) => Interlocked.CompareExchange(ref _reason, (int)reason, 0) == 0;
    }
}
