using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Features;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Accept;

/// <summary>
/// Looks at the accept loops once a second, and reports, once a minute for each endpoint, one that makes no progress although it should: it is stuck
/// in a step that takes no time, or connections wait in the system's queue and the loop neither accepts nor pauses for a reason.
/// </summary>
internal sealed class AcceptWatchdog : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>A machine that is busy may leave a loop waiting for its thread as long.</summary>
    private const int Patience = 5;

    private readonly IReadOnlyList<RunningEndpoint> _endpoints;
    private readonly ILogger _logger;
    private readonly Dictionary<AcceptLoop, (int Progress, int Beats)> _seen = [];
    private readonly Dictionary<RunningEndpoint, ReportInterval> _reports;
    private readonly ITimer _timer;
    private readonly TimeProvider _clock;
    private int _isLooking;
    private long _beatAt;
    private volatile StuckLoop? _stuck;

    public AcceptWatchdog(IReadOnlyList<RunningEndpoint> endpoints, TimeProvider clock, ILogger logger)
    {
        _endpoints = endpoints;
        _logger = logger;
        _clock = clock;
        _beatAt = clock.GetTimestamp();
        _reports = endpoints.ToDictionary(endpoint => endpoint, _ => new ReportInterval(clock));
        using (ExecutionContext.SuppressFlow())
        {
            _timer = clock.CreateTimer(static watchdog => ((AcceptWatchdog)watchdog!).Beat(), this, Interval, Interval);
        }
    }

    /// <summary>The loop that has been without progress for longest; null if each has made some, or has a reason for making none.</summary>
    public StuckLoop? Stuck => _stuck;

    /// <summary>When it last ended a look, by the clock's timestamp.</summary>
    public long BeatAt => Volatile.Read(ref _beatAt);

    public void Dispose() => _timer.Dispose();

    private void Beat()
    {
        // A log that blocks holds up this beat, and must not gather the ones that follow.
        if (Interlocked.Exchange(ref _isLooking, 1) != 0)
        {
            return;
        }

        try
        {
            StuckLoop? stuck = null;
            foreach (var endpoint in _endpoints)
            {
                foreach (var loops in endpoint.Loops.GroupBy(loop => loop.Listener))
                {
                    Look(endpoint, loops.Key, [.. loops], ref stuck);
                }
            }

            _stuck = stuck;

            foreach (var gone in _seen.Keys.Where(loop => loop.Step == AcceptStep.Ended).ToList())
            {
                _seen.Remove(gone);
            }
        }
        catch (Exception exception)
        {
            ServerLog.WatchdogFailed(_logger, exception); // A listener of the application need not answer.
        }
        finally
        {
            Volatile.Write(ref _beatAt, _clock.GetTimestamp());
            Volatile.Write(ref _isLooking, 0);
        }
    }

    private void Look(RunningEndpoint endpoint, IConnectionListener listener, AcceptLoop[] loops, ref StuckLoop? stuck)
    {
        // Whether one of them accepts tells that the listener works; the others may have found nothing.
        var isServed = loops.Any(loop => _seen.TryGetValue(loop, out var seen) && seen.Progress != loop.Progress);
        foreach (var loop in loops)
        {
            var progress = loop.Progress;
            var before = _seen.TryGetValue(loop, out var seen) ? seen : (Progress: progress, Beats: -1);
            var beats = progress != before.Progress || HasReason(loop, endpoint, isServed) ? 0 : before.Beats + 1;
            _seen[loop] = (progress, beats);
            if (beats > 0 && beats * Interval > (stuck?.Duration ?? TimeSpan.Zero))
            {
                stuck = new StuckLoop(endpoint.Name, loop.Step, beats * Interval);
            }

            if (beats >= Patience && _reports[endpoint].IsDue(out _))
            {
                var queued = (listener as IConnectionListenerStatus)?.QueuedConnections;
                ServerLog.LoopWithoutProgress(_logger, endpoint.Name, listener.EndPoint, beats, loop.Step, queued);
            }
        }
    }

    /// <summary>It may stay where it is.</summary>
    private static bool HasReason(AcceptLoop loop, RunningEndpoint endpoint, bool isServed) => loop.IsStopping || loop.Step switch
    {
        AcceptStep.Admitting => false,
        AcceptStep.WaitingForLimits => !endpoint.Connections.Contract.Admission.IsOpen,
        AcceptStep.Accepting => isServed || loop.Listener is not IConnectionListenerStatus { QueuedConnections: > 0, AcceptError: null },
        _ => true,
    };
}

/// <summary>An accept loop that makes no progress although it should.</summary>
internal sealed record StuckLoop(string Endpoint, AcceptStep Step, TimeSpan Duration);
