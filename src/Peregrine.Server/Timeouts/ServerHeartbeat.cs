using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Peregrine.Server.Connections;
using Peregrine.Server.Datagrams;
using Peregrine.Server.Diagnostics;
using Peregrine.Server.Limits;

namespace Peregrine.Server.Timeouts;

/// <summary>
/// One timer, of one second, for the timeouts of every connection of the server: it looks at each of them. It also is the clock of the datagram endpoints, which beat on threads of their own.
/// </summary>
/// <remarks>
/// A look costs the memory it touches, and a system call more while something is unacknowledged; <c>peregrine.server.heartbeat.duration</c> tells how
/// long all of them take. Of a connection on which nothing goes on, it is a look at one number (<see cref="Rest"/>). Nothing else is
/// called under the tracker's lock.
/// </remarks>
internal sealed class ServerHeartbeat : IThreadPoolWorkItem, IDisposable
{
    /// <summary>After so many, others have their turn: thousands that end at once would otherwise hold everybody up.</summary>
    private const int MostEndedInARow = 32;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly IReadOnlyList<ConnectionTracker> _trackers;
    private readonly IReadOnlyList<DatagramEndpoint> _datagrams;
    private readonly ServerSupervision _supervision;
    private readonly IOptionsMonitor<PeregrineOptions> _options;
    private readonly ServerMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly ReportInterval _failures;
    private readonly ITimer _timer;

    // The beat's.
    private readonly List<ServerConnection> _awake = [];
    private int _isBeating;
    private long _beatAt;
    private long _started;
    private uint _now;
    private uint _elapsed;
    private long _buffered;
    private int _tracker;
    private int _unseen;

    public ServerHeartbeat(
        IReadOnlyList<ConnectionTracker> trackers, IReadOnlyList<DatagramEndpoint> datagrams, ServerSupervision supervision, IOptionsMonitor<PeregrineOptions> options,
        ServerMetrics metrics, TimeProvider clock, ILogger logger)
    {
        _trackers = trackers;
        _datagrams = datagrams;
        _supervision = supervision;
        _options = options;
        _metrics = metrics;
        _clock = clock;
        _logger = logger;
        _failures = new ReportInterval(clock);
        _beatAt = clock.GetTimestamp();
        using (ExecutionContext.SuppressFlow())
        {
            _timer = clock.CreateTimer(static state => ((ServerHeartbeat)state!).Beat(), this, Interval, Interval);
        }
    }

    /// <summary>When it last ended a beat, by the clock's timestamp.</summary>
    public long BeatAt => Volatile.Read(ref _beatAt);

    public void Dispose() => _timer.Dispose();

    private void Beat()
    {
        foreach (var endpoint in _datagrams)
        {
            endpoint.Beat();
        }

        // A timer does not wait for its callback.
        if (Interlocked.Exchange(ref _isBeating, 1) != 0)
        {
            return;
        }

        _started = _clock.GetTimestamp();
        (_now, _elapsed) = _supervision.Clock.Beat();
        _buffered = 0;
        _tracker = -1;
        _unseen = 0;
        _awake.Clear();
        Execute();
    }

    /// <summary>Goes on with the beat.</summary>
    public void Execute()
    {
        try
        {
            if (!LookOn())
            {
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                return;
            }

            EndBeat();
        }
        catch (Exception exception)
        {
            if (_failures.IsDue(out _))
            {
                ServerLog.HeartbeatFailed(_logger, exception);
            }
        }

        Volatile.Write(ref _beatAt, _clock.GetTimestamp());
        Volatile.Write(ref _isBeating, 0);
    }

    /// <summary>False if the thread is to be given to others first: the handlers of those that were ended, and those of everybody else.</summary>
    private bool LookOn()
    {
        var ended = _supervision.Report.Count;
        while (_awake.Count > 0 || TryAddAwake())
        {
            var connection = _awake[^1];
            _awake.RemoveAt(_awake.Count - 1);
            LookAt(_trackers[_tracker], connection);
            if (_supervision.Report.Count - ended >= MostEndedInARow)
            {
                return false;
            }
        }

        return true;
    }

    private bool TryAddAwake()
    {
        while (_awake.Count == 0)
        {
            if (_unseen == 0)
            {
                if (++_tracker >= _trackers.Count)
                {
                    return false;
                }

                _unseen = int.MaxValue;
            }

            _unseen = _trackers[_tracker].AddAwake(_unseen, _now, _awake);
        }

        return true;
    }

    private void LookAt(ConnectionTracker tracker, ServerConnection connection)
    {
        try
        {
            _buffered += connection.OnHeartbeat(_now, _elapsed);
        }
        catch (Exception exception)
        {
            // Of a feature of the transport.
            if (_failures.IsDue(out _))
            {
                ServerLog.LookFailed(_logger, tracker.Contract.Endpoint, exception);
            }
        }
    }

    private void EndBeat()
    {
        _supervision.Handshakes.Grant();
        var most = _options.CurrentValue.Limits.MaxBufferedBytes ?? BufferBudget.Default;
        if (_buffered > most)
        {
            BufferBudget.Enforce(_trackers.SelectMany(tracker => tracker.Live), most);
        }

        _metrics.HeartbeatEnded(_clock.GetElapsedTime(_started));
    }
}
