using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;
using Peregrine.Features;
using Peregrine.Server.Admission;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Limits;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Connections;

/// <summary>One connection from its start to its end: runs the endpoint's pipeline, then closes. Each step is guarded.</summary>
internal sealed class ServerConnection : ConnectionScope, IThreadPoolWorkItem, IConnectionLifetimeNotificationFeature
{
    private readonly IConnectionCloseFeature _close;
    private readonly ConnectionTracker _tracker;
    private LazySignal _closeRequested;
    private volatile bool _isClosing;
    private volatile bool _isReleasing;
    private volatile ConnectionSpan? _span;
    private volatile bool _isAskedAlone;

    public ServerConnection(ConnectionContext connection, ConnectionTracker tracker, PeerNetwork network)
        : base(connection)
    {
        Network = network;
        _tracker = tracker;
        StartedAt = tracker.Contract.Clock.GetTimestamp();
        _close = connection.Features.Get<IConnectionCloseFeature>() ?? AddCloseFeature(connection);
        connection.Features.Set<IConnectionLifetimeNotificationFeature>(this);
        Supervision = new ConnectionSupervision(this);
    }

    /// <summary>For whom it is counted; what middleware makes of its address later does not matter.</summary>
    public PeerNetwork Network { get; }

    /// <summary>The clock's timestamp of its start.</summary>
    public long StartedAt { get; }

    /// <summary>Its timeouts and limits.</summary>
    public ConnectionSupervision Supervision { get; }

    public EndpointSupervision Supervised => _tracker.Contract.Supervision;

    public ConnectionCloseReason Reason => _close.Reason;

    /// <summary>Its handler is done.</summary>
    public bool IsClosing => _isClosing;

    public bool IsCloseRequested => _closeRequested.IsFired;

    /// <summary>What <see cref="Traffic"/> has added of it; under the lock of that.</summary>
    public TrafficCounts SeenTraffic { get; set; }

    /// <summary>Where it is in the tracker's array, or -1; under the tracker's lock.</summary>
    public int Index { get; set; } = -1;

    public CancellationToken ConnectionClosedRequested
    {
        get => _closeRequested.Token;
        set => _closeRequested.Token = value;
    }

    protected override string Endpoint => _tracker.Contract.Endpoint;

    private ILogger Logger => _tracker.Contract.Logger;

    private TimeProvider Clock => _tracker.Contract.Clock;

    /// <summary>Asks the handler to end.</summary>
    public void RequestClose()
    {
        // Before it, for the handler may be done as soon as it hears of it, and after it, for the span may have come between.
        _span?.OnCloseRequested();
        _closeRequested.Fire(exception => ServerLog.CloseRequestedCallbackFailed(Logger, Endpoint, Context.ConnectionId, exception));
        Interlocked.MemoryBarrier();
        _span?.OnCloseRequested();
    }

    /// <summary>A handshake has begun, or ended.</summary>
    public void OnHandshake(bool hasBegun) => _span?.OnHandshake(hasBegun);

    /// <summary>Asks the handler to end, while the others go on.</summary>
    public void RequestCloseAlone()
    {
        _isAskedAlone |= !_closeRequested.IsFired;
        RequestClose();
    }

    /// <summary>Resets the connection because the time for its end is over.</summary>
    public void Abort() => Abort(ConnectionCloseReason.DrainDeadline, new ConnectionAbortedException("The server's shutdown timeout is over."));

    public void SetReason(ConnectionCloseReason reason) => _close.TrySetReason(reason);

    /// <summary>Resets the connection.</summary>
    public void Abort(ConnectionCloseReason reason, ConnectionAbortedException exception)
    {
        _close.TrySetReason(reason);
        try
        {
            Context.Abort(exception);
        }
        catch (Exception failure)
        {
            ServerLog.CloseFailed(Logger, Endpoint, Context.ConnectionId, failure);
        }
    }

    /// <summary>Runs it, not inside the call.</summary>
    public void Schedule()
    {
        if (Context.Features.Get<IConnectionSchedulingFeature>() is { } scheduling)
        {
            scheduling.Schedule(this);
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <summary>Once a second. The graceful close, which comes last, has bounds of its own.</summary>
    /// <returns>How many bytes it keeps in buffers.</returns>
    public long OnHeartbeat(uint now, uint elapsed)
    {
        if (_isReleasing)
        {
            return Supervision.KeptBytes;
        }

        // Before what it tells of is looked at: a change that is made meanwhile keeps it from resting.
        var changes = Supervision.Changes;
        var kept = Supervision.Look(now, elapsed, _isClosing, out var rest);
        if (rest.Lasts)
        {
            _tracker.LetRest(this, rest, changes);
        }

        return kept;
    }

    /// <summary>The next heartbeat looks at it.</summary>
    public void EndRest() => _tracker.EndRest(this);

    void IThreadPoolWorkItem.Execute() => _ = RunAsync();

    private async Task RunAsync()
    {
        IDisposable? scope = null;
        try
        {
            var isMeasured = _tracker.Contract.Metrics.IsDurationEnabled;

            // A category that is off altogether spares the application's entries the scope, too, and the connection its cost.
            scope = Logger.IsEnabled(LogLevel.Critical) ? Logger.BeginScope<ConnectionScope>(this) : null;
            StartSpan();
            var isLogged = Logger.IsEnabled(LogLevel.Debug);
            if (isLogged)
            {
                ServerLog.ConnectionStarted(Logger, Endpoint, Context.ConnectionId, Context.RemoteEndPoint);
            }

            Exception? failure = null;
            try
            {
                PacedTransport.Apply(Context, _close, Supervised);
                await _tracker.Contract.Pipeline(Context).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                failure = FailureOf(exception);
            }

            _isClosing = true;
            Supervision.EndHandshake();
            _span?.OnHandlerEnded();
            var isStopping = _closeRequested.IsFired;
            _close.TrySetReason(!isStopping ? ConnectionCloseReason.HandlerCompleted : _isAskedAlone ? ConnectionCloseReason.CloseRequested : ConnectionCloseReason.ServerStopping);
            if (isStopping && failure is null)
            {
                await LetPeerCloseAsync().ConfigureAwait(false);
            }

            await CloseAsync(failure).ConfigureAwait(false);
            TellEnd(Clock.GetElapsedTime(StartedAt), isMeasured, isLogged, failure);
        }
        finally
        {
            // Whatever a foreign feature throws, the stop does not wait for a connection that is gone.
            GuardedLogger.EndScope(scope);
            _span?.Stop();
            _tracker.Remove(this);
        }
    }

    private void StartSpan()
    {
        var contract = _tracker.Contract;
        if (ConnectionSpan.Start(Context, contract.Endpoint, contract.Transport, StartedAt, contract.Clock) is not { } span)
        {
            return;
        }

        Context.Features.Set<IConnectionActivityFeature>(span);
        _span = span;
        Interlocked.MemoryBarrier(); // Either this sees the request, or the request sees the span.
        if (_closeRequested.IsFired)
        {
            span.OnCloseRequested();
        }
    }

    private void TellEnd(TimeSpan duration, bool isMeasured, bool isLogged, Exception? failure)
    {
        _tracker.Contract.Metrics.ConnectionEnded(Endpoint, _close.Reason, isMeasured ? duration : null, _close.IsUnflushed);
        var bytes = isLogged || _span is not null ? Context.Features.Get<IConnectionByteCountFeature>() : null;
        if (isLogged)
        {
            ServerLog.ConnectionEnded(
                Logger, Endpoint, Context.ConnectionId, _close.Reason, duration, bytes?.BytesReceived ?? 0, bytes?.BytesSent ?? 0);
        }

        _span?.End(_close.Reason, bytes, failure);
    }

    /// <summary>Null for what is no failure of the handler: the peer's reset, this side's abort, the answer to a request to end.</summary>
    private Exception? FailureOf(Exception exception)
    {
        if (IsExpected(exception))
        {
            return null;
        }

        if (exception is InvalidDataException && _close.Reason == ConnectionCloseReason.UnreadLimit)
        {
            // It is the peer's doing, and it may have many connections to do it with.
            Supervision.Tell(ConnectionCloseReason.UnreadLimit, exception.Message);
            return exception;
        }

        _close.TrySetReason(ConnectionCloseReason.HandlerFailed);
        ServerLog.HandlerFailed(Logger, Endpoint, Context.ConnectionId, exception);
        return exception;
    }

    /// <summary>The handler has said goodbye: a peer that closes first keeps the TIME_WAIT.</summary>
    private async Task LetPeerCloseAsync()
    {
        var grace = _tracker.Contract.ClientCloseGrace;
        if (grace == TimeSpan.Zero)
        {
            return;
        }

        using var time = new CancellationTokenSource(grace, Clock);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(time.Token, _tracker.GraceOver, Context.ConnectionClosed);
        try
        {
            // Whatever is not taken in this time is the graceful close's, which sees whether the peer takes anything at all.
            await Context.Transport.Output.FlushAsync(over.Token).ConfigureAwait(false);
            await Task.Delay(Timeout.InfiniteTimeSpan, Clock, over.Token).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The time is over, the peer has closed, the connection has failed, or its output is completed: it is closed now.
        }
    }

    /// <summary>
    /// Whether an exception is this connection's own end, and not that of another, say of a proxy's upstream, or a timeout of the handler's.
    /// </summary>
    /// <remarks><see cref="ConnectionAbortedException"/> is an <see cref="OperationCanceledException"/>.</remarks>
    private bool IsExpected(Exception exception) => exception switch
    {
        ConnectionAbortedException or IOException => HasFailed,
        OperationCanceledException canceled => HasFailed || _closeRequested.IsFired || canceled.CancellationToken == Context.ConnectionClosed,
        _ => false,
    };

    // A transport that tells no reason is believed.
    private bool HasFailed => _close is CloseFeature || Supervision.IsRefused || _close.Reason is
        ConnectionCloseReason.PeerReset or ConnectionCloseReason.Aborted or ConnectionCloseReason.IoError or ConnectionCloseReason.DrainDeadline;

    private async Task CloseAsync(Exception? failure)
    {
        try
        {
            await Context.Transport.Output.CompleteAsync(failure).ConfigureAwait(false);
            await Context.Transport.Input.CompleteAsync(failure).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            ServerLog.CloseFailed(Logger, Endpoint, Context.ConnectionId, exception);
        }

        _isReleasing = true;
        try
        {
            await Context.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            ServerLog.CloseFailed(Logger, Endpoint, Context.ConnectionId, exception);
        }
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
