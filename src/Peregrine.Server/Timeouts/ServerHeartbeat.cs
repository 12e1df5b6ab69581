using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Peregrine.Server.Connections;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Limits;

namespace Peregrine.Server.Timeouts;

/// <summary>One timer, of one second, for the timeouts of every connection of the server: it looks at each of them.</summary>
internal sealed class ServerHeartbeat : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly IReadOnlyList<ConnectionTracker> _trackers;
    private readonly ServerSupervision _supervision;
    private readonly IOptionsMonitor<PeregrineOptions> _options;
    private readonly ServerMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private ServerConnection?[] _connections = [];
    private int _isBeating;

    public ServerHeartbeat(
        IReadOnlyList<ConnectionTracker> trackers, ServerSupervision supervision, IOptionsMonitor<PeregrineOptions> options, ServerMetrics metrics,
        TimeProvider clock, ILogger logger)
    {
        _trackers = trackers;
        _supervision = supervision;
        _options = options;
        _metrics = metrics;
        _clock = clock;
        _logger = logger;
        using (ExecutionContext.SuppressFlow())
        {
            _timer = clock.CreateTimer(static state => ((ServerHeartbeat)state!).Beat(), this, Interval, Interval);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Beat()
    {
        // A timer does not wait for its callback.
        if (Interlocked.Exchange(ref _isBeating, 1) != 0)
        {
            return;
        }

        try
        {
            var started = _clock.GetTimestamp();
            LookAtAll();
            _metrics.HeartbeatEnded(_clock.GetElapsedTime(started));
        }
        catch (Exception exception)
        {
            ServerLog.HeartbeatFailed(_logger, exception);
        }
        finally
        {
            Volatile.Write(ref _isBeating, 0);
        }
    }

    private void LookAtAll()
    {
        var (now, elapsed) = _supervision.Clock.Beat();
        long buffered = 0;
        foreach (var tracker in _trackers)
        {
            buffered += LookAt(tracker, now, elapsed);
        }

        _supervision.Handshakes.Grant();
        var most = _options.CurrentValue.Limits.MaxBufferedBytes ?? BufferBudget.Default;
        if (buffered > most)
        {
            BufferBudget.Enforce(_trackers.SelectMany(tracker => tracker.Live), most);
        }
    }

    private long LookAt(ConnectionTracker tracker, uint now, uint elapsed)
    {
        long buffered = 0;
        var timeouts = tracker.Contract.Supervision.Timeouts;
        var count = tracker.CopyTo(ref _connections);
        var live = _connections.AsSpan(0, count);
        foreach (var connection in live)
        {
            try
            {
                buffered += connection!.OnHeartbeat(now, elapsed, timeouts);
            }
            catch (Exception exception)
            {
                // Of a feature of the transport.
                ServerLog.LookFailed(_logger, tracker.Contract.Endpoint, exception);
            }
        }

        live.Clear();
        return buffered;
    }
}
