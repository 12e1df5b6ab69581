using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Features;
using Peregrine.Server.Admission;
using Peregrine.Server.Diagnostics;

namespace Peregrine.Server.Accept;

/// <summary>
/// Accepts the connections of one listener until the listener says that there are no more. Nothing else ends it: not an exception of the
/// listener, and nothing that happens to a connection, which is started elsewhere.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "The timer of the drain ends by itself.")]
internal sealed class AcceptLoop
{
    /// <summary>How long a connection that is accepted waits for a place after the stop; the listener gives its queue as long.</summary>
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(10);

    private readonly IConnectionListener _listener;
    private readonly EndpointAdmission _admission;
    private readonly Action<ConnectionContext, PeerNetwork> _start;
    private readonly ServerMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _drained = new();
    private readonly ReportInterval _reports;
    private readonly ReportInterval _startReports;
    private Backoff _backoff;
    private volatile AcceptStep _step;
    private int _progress;
    private int _hasHeld;
    private int _isDrainTimed;

    /// <param name="listener">Whose connections are accepted.</param>
    /// <param name="admission">Who may connect, and when.</param>
    /// <param name="start">Takes a connection over that has its place; returns at once.</param>
    /// <param name="metrics">Counts what is accepted, and what fails.</param>
    /// <param name="clock">The clock of the back-off.</param>
    /// <param name="logger">A logger that does not throw.</param>
    public AcceptLoop(
        IConnectionListener listener, EndpointAdmission admission, Action<ConnectionContext, PeerNetwork> start, ServerMetrics metrics, TimeProvider clock,
        ILogger logger)
    {
        _listener = listener;
        _admission = admission;
        _start = start;
        _metrics = metrics;
        _clock = clock;
        _logger = logger;
        _reports = new ReportInterval(clock);
        _startReports = new ReportInterval(clock);
    }

    public IConnectionListener Listener => _listener;

    /// <summary>What it is doing, for the watchdog.</summary>
    public AcceptStep Step => _step;

    /// <summary>A number that changes when it goes on to another step.</summary>
    public int Progress => Volatile.Read(ref _progress);

    public bool IsStopping => _stopping.IsCancellationRequested;

    private string Endpoint => _admission.Name;

    /// <summary>Completes when the listener has no more connections, never with an exception.</summary>
    /// <returns>Whether it was asked to; otherwise the listener is gone.</returns>
    public async Task<bool> RunAsync()
    {
        while (true)
        {
            try
            {
                await AcceptAllAsync().ConfigureAwait(false);
                break;
            }
            catch (Exception) when (IsStopping)
            {
                break; // The listener fails because it is being closed.
            }
            catch (ObjectDisposedException)
            {
                break; // Somebody else has closed it.
            }
            catch (Exception exception)
            {
                await WaitOutAsync(exception).ConfigureAwait(false);
            }
        }

        Enter(AcceptStep.Ended);
        return IsStopping;
    }

    /// <summary>From now on the listener is expected to end; an error of it ends the loop. What it has queued is accepted without a pause.</summary>
    public void Stop()
    {
        _stopping.Cancel();
        if (Volatile.Read(ref _hasHeld) != 0)
        {
            LimitDrain();
        }
    }

    private async Task AcceptAllAsync()
    {
        while (true)
        {
            Enter(AcceptStep.WaitingForLimits);
            await _admission.WaitUntilOpenAsync(_stopping.Token).ConfigureAwait(false);
            Enter(AcceptStep.Accepting);
            if (await _listener.AcceptAsync().ConfigureAwait(false) is not { } connection)
            {
                return;
            }

            _backoff.Reset();
            Enter(AcceptStep.Admitting);
            var held = Admit(connection);
            if (held is not null)
            {
                Enter(AcceptStep.WaitingForPlace);
                await held.ConfigureAwait(false);
            }
        }
    }

    /// <summary>Starts it, or refuses it; never throws.</summary>
    /// <returns>Not null if it waits for a place.</returns>
    private Task? Admit(ConnectionContext connection)
    {
        try
        {
            var refusal = _admission.Enter(connection.RemoteEndPoint, out var network, isPaced: !IsStopping);
            if (refusal != ConnectionCloseReason.None)
            {
                _admission.Refusals.Refuse(connection, Endpoint, refusal);
                return null;
            }

            if (!_admission.TryTakePlace())
            {
                return HoldAsync(connection, network);
            }

            Start(connection, network);
        }
        catch (Exception exception)
        {
            Drop(connection, exception);
        }

        return null;
    }

    /// <summary>The last place went elsewhere while this connection was accepted.</summary>
    private async Task HoldAsync(ConnectionContext connection, PeerNetwork network)
    {
        // Before the look at the stop, which is before the stop's look here: one of the two sees the other, and only then is there a timer.
        Interlocked.Exchange(ref _hasHeld, 1);
        if (IsStopping)
        {
            LimitDrain();
        }

        if (await _admission.TakePlaceAsync(_drained.Token).ConfigureAwait(false))
        {
            Start(connection, network);
        }
        else
        {
            _admission.Leave(network, hasPlace: false);
            _admission.Refusals.Refuse(connection, Endpoint, ConnectionCloseReason.ServerStopping);
        }
    }

    private void Start(ConnectionContext connection, PeerNetwork network)
    {
        try
        {
            _metrics.Accepted(Endpoint);
            _start(connection, network);
        }
        catch (Exception exception)
        {
            _admission.Leave(network);
            Drop(connection, exception);
        }
    }

    private void Drop(ConnectionContext connection, Exception exception)
    {
        if (_startReports.IsDue(out _))
        {
            ServerLog.StartFailed(_logger, Endpoint, exception);
        }

        _ = _admission.Refusals.ResetAsync(connection, Endpoint);
    }

    private async Task WaitOutAsync(Exception exception)
    {
        Enter(AcceptStep.WaitingOutError);
        _metrics.AcceptFailed(Endpoint, exception.GetType().Name);
        if (_reports.IsDue(out _))
        {
            ServerLog.AcceptFailed(_logger, Endpoint, exception);
        }

        // Stopped, the loop goes on at once: what the listener has queued is still served.
        await Task.Delay(_backoff.Next(), _clock, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void LimitDrain()
    {
        if (Interlocked.Exchange(ref _isDrainTimed, 1) == 0)
        {
            _ = EndDrainAsync();
        }
    }

    private async Task EndDrainAsync()
    {
        await Task.Delay(DrainLimit, _clock, CancellationToken.None).ConfigureAwait(false);
        await _drained.CancelAsync().ConfigureAwait(false);
    }

    /// <summary>Read by the watchdog only: torn from each other, the two tell it nothing wrong.</summary>
    private void Enter(AcceptStep step)
    {
        _step = step;
        Volatile.Write(ref _progress, _progress + 1);
    }
}

/// <summary>What an accept loop is doing.</summary>
internal enum AcceptStep
{
    NotStarted = 0,
    WaitingForLimits,
    Accepting,
    Admitting,
    WaitingForPlace,
    WaitingOutError,
    Ended,
}
