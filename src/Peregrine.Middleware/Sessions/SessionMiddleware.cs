using Microsoft.Extensions.Logging;

namespace Peregrine.Middleware.Sessions;

/// <summary>
/// The end of a datagram pipeline that gives each datagram to its session: it copies it into the session's queue and returns, so that no session waits for another.
/// Every datagram is handed out, or dropped and counted once. Safe to use from several receive loops.
/// </summary>
internal sealed class SessionMiddleware
{
    // While the table is locked, nobody begins a session: a beat looks at so many at a time.
    private const int SessionsPerTurn = 256;

    private readonly string _endpoint;
    private readonly Func<DatagramSession, Task> _handler;
    private readonly DatagramSessionKeySelector? _selectKey;
    private readonly DatagramSessionAdmitter? _admit;
    private readonly QueueLimits _queueLimits;
    private readonly int _maxSessions;
    private readonly int _maxSessionsPerAddress;
    private readonly TimeProvider _clock;
    private readonly GuardedLogger _logger;
    private readonly SessionMetrics _metrics;
    private readonly Func<Task> _cancelStopping;
    private readonly ReportInterval _handlerFailures;
    private readonly ReportInterval _callbackFailures;
    private readonly ReportInterval _limits;
    private readonly ReportInterval _addressLimits;

    public SessionMiddleware(IDatagramBuilder builder, DatagramSessionOptions options, Func<DatagramSession, Task> handler)
    {
        options.Check();
        _endpoint = builder.EndpointName;
        _handler = handler;
        _selectKey = options.KeySelector;
        _admit = options.Admit;
        _queueLimits = options.QueueLimits;
        _maxSessions = options.MaxSessions;
        _maxSessionsPerAddress = options.MaxSessionsPerAddress;
        _clock = PipelineServices.ClockOf(builder.ApplicationServices);
        _logger = PipelineServices.LoggerOf(builder.ApplicationServices, SessionLog.Category);
        _handlerFailures = new ReportInterval(_clock);
        _callbackFailures = new ReportInterval(_clock);
        _limits = new ReportInterval(_clock);
        _addressLimits = new ReportInterval(_clock);

        // Without a timer, and without a wait handle that nobody asks for, there is nothing to dispose.
        var stopping = new CancellationTokenSource();
        _cancelStopping = stopping.CancelAsync;
        Stopping = stopping.Token;
        Counters = builder.Counters;
        Pool = new DatagramPool(options.MaxQueuedBytes);
        Table = new SessionTable(options, _clock);
        _metrics = new SessionMetrics(PipelineServices.MeterOf(builder.ApplicationServices), _endpoint);
        _metrics.Observe(Table);
    }

    public SessionTable Table { get; }

    public DatagramPool Pool { get; }

    public DatagramCounters Counters { get; }

    public CancellationToken Stopping { get; }

    public bool HasIdentifiers => _selectKey is not null;

    public SessionQueue CreateQueue(Lock sync) => new(sync, _queueLimits, Pool, Counters);

    /// <summary>A <see cref="DatagramDelegate"/>.</summary>
    public ValueTask OnDatagramsAsync(DatagramBatch batch, DatagramSender sender)
    {
        var now = _clock.GetTimestamp();
        foreach (ref readonly var datagram in batch.AsSpan())
        {
            Dispatch(in datagram, sender, now);
        }

        return default;
    }

    /// <summary>Ends idle sessions, and gives memory back; once a second.</summary>
    public void Beat()
    {
        var now = _clock.GetTimestamp();
        var (expired, ended) = (new List<DatagramSession>(), new List<EndedSession>());
        bool isDone;
        do
        {
            isDone = Table.Expire(now, SessionsPerTurn, expired, ended);
            ended.ForEach(Tell);
            expired.Clear();
            ended.Clear();
        }
        while (!isDone);
        Pool.Trim();
    }

    /// <summary>Tells every session, and waits for the handlers until the deadline.</summary>
    public async Task StopAsync(CancellationToken deadline)
    {
        var telling = CancelAsync();
        Table.Stop().ForEach(Tell);
        try
        {
            await Task.WhenAll(telling, Table.Drained).WaitAsync(deadline).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            var left = Table.Ending();
            left.ForEach(static session => session.Shut(DatagramDropReason.Stopping));
            SessionLog.HandlersLeft(_logger, left.Count, _endpoint);
        }

        _metrics.Forget(Table);
    }

    public void End(DatagramSession session, DatagramSessionEndReason reason)
    {
        Tell(Table.End(session, reason));

        // Also of one that has ended for another reason, and may be read and sent to until now.
        session.Shut(DatagramDropReason.SessionEnded);
    }

    public bool TryMove(DatagramSession session, in DatagramPath path)
    {
        var isMoved = Table.TryMove(session, in path, out var evicted);
        TellEvicted(evicted);
        return isMoved;
    }

    private void Dispatch(in Datagram datagram, DatagramSender sender, long now)
    {
        if (!TryGetKey(in datagram, out var key))
        {
            Counters.AddDropped(DatagramDropReason.SessionRefused);
            return;
        }

        // One that has ended is not in the table by the time that it says so: its peer is a newcomer.
        if (Table.Find(in key) is not { } session || !session.TryReceive(in datagram, sender, now, answered: 0))
        {
            Admit(in datagram, key, sender, now);
        }
    }

    private void Admit(in Datagram datagram, SessionKey key, DatagramSender sender, long now)
    {
        var allowance = Amplification.AllowanceOf(datagram.Payload.Length);
        var admission = Ask(in datagram, ref allowance, sender);
        if (admission is not (DatagramSessionAdmission.AcceptUnvalidated or DatagramSessionAdmission.AcceptValidated))
        {
            Counters.AddDropped(DatagramDropReason.SessionRefused);
            return;
        }

        var seed = new SessionSeed(this, key, datagram.Path, sender, admission == DatagramSessionAdmission.AcceptValidated, now);
        var refusal = Table.TryAdd(in seed, out var session, out var isNew, out var evicted);
        TellEvicted(evicted);
        if (session is null)
        {
            Refuse(in datagram, refusal.GetValueOrDefault());
            return;
        }

        var answered = (int)(Amplification.AllowanceOf(datagram.Payload.Length) - allowance);
        if (!session.TryReceive(in datagram, sender, now, answered))
        {
            Counters.AddDropped(DatagramDropReason.SessionEnded);
        }

        if (isNew)
        {
            _metrics.Created();
            ThreadPool.UnsafeQueueUserWorkItem(static session => _ = session.Owner.RunAsync(session), session, preferLocal: false);
        }
    }

    private async Task RunAsync(DatagramSession session)
    {
        var reason = DatagramSessionEndReason.HandlerCompleted;
        try
        {
            // Where it was evicted before it was its turn, there is nothing to handle.
            if (session.EndReason is not DatagramSessionEndReason.Evicted)
            {
                await _handler(session).ConfigureAwait(false);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException && session.EndReason is { } ended)
        {
            SessionLog.HandlerCancelled(_logger, session.Id, session.RemoteAddress, _endpoint, ended, exception.Message);
        }
        catch (Exception exception)
        {
            reason = DatagramSessionEndReason.HandlerFailed;
            if (_handlerFailures.IsDue(out var count))
            {
                SessionLog.HandlerFailed(_logger, exception, session.Id, session.RemoteAddress, _endpoint, count - 1);
            }
        }

        End(session, reason);
        session.Finish();
        Table.Remove(session);
    }

    private bool TryGetKey(in Datagram datagram, out SessionKey key)
    {
        if (_selectKey is null)
        {
            key = SessionKey.Of(datagram.RemoteAddress);
            return true;
        }

        try
        {
            var identifier = _selectKey(in datagram);
            if (identifier.Length is > 0 and <= SessionKey.MaxIdentifierSize)
            {
                key = SessionKey.Of(identifier);
                return true;
            }
        }
        catch (Exception exception)
        {
            ReportCallback(exception, nameof(DatagramSessionOptions.KeySelector), in datagram);
        }

        key = default;
        return false;
    }

    private DatagramSessionAdmission Ask(in Datagram datagram, ref long allowance, DatagramSender sender)
    {
        try
        {
            return _admit is null
                ? DatagramSessionAdmission.AcceptUnvalidated
                : _admit(new DatagramSessionRequest(in datagram, ref allowance, sender, Counters));
        }
        catch (Exception exception)
        {
            ReportCallback(exception, nameof(DatagramSessionOptions.Admit), in datagram);
            return DatagramSessionAdmission.Refuse;
        }
    }

    private void Refuse(in Datagram datagram, DatagramDropReason reason)
    {
        Counters.AddDropped(reason);
        var interval = reason switch
        {
            DatagramDropReason.SessionLimit => _limits,
            DatagramDropReason.SessionLimitPerAddress => _addressLimits,
            _ => null,
        };
        if (interval?.IsDue(out var count) == true)
        {
            var explanation = reason == DatagramDropReason.SessionLimit
                ? $"there are {nameof(DatagramSessionOptions.MaxSessions)} = {_maxSessions} sessions, and none that could make room."
                : $"its address has {nameof(DatagramSessionOptions.MaxSessionsPerAddress)} = {_maxSessionsPerAddress} sessions.";
            SessionLog.LimitReached(_logger, datagram.RemoteAddress, _endpoint, reason, explanation, count - 1);
        }
    }

    private void ReportCallback(Exception exception, string setting, in Datagram datagram)
    {
        if (_callbackFailures.IsDue(out var count))
        {
            SessionLog.CallbackFailed(_logger, exception, setting, _endpoint, datagram.RemoteAddress, count - 1);
        }
    }

    private void TellEvicted(EndedSession evicted)
    {
        evicted.Session?.Shut(DatagramDropReason.SessionEnded);
        Tell(evicted);
    }

    private void Tell(EndedSession ended)
    {
        if (ended.Session is not { } session)
        {
            return;
        }

        if (ended.MustWake)
        {
            session.Wake();
        }

        _metrics.Ended(ended.Reason);
    }

    private async Task CancelAsync()
    {
        try
        {
            await _cancelStopping().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            SessionLog.StoppingFailed(_logger, exception, _endpoint);
        }
    }
}
