using System.Net;
using Microsoft.Extensions.Logging;
using Peregrine.Sockets.Time;

namespace Peregrine.Sockets.Scheduling;

/// <summary>
/// Notices handlers that hold an event loop, and with it every other connection of that loop: when they give it back, and at the next
/// heartbeat, if they have not by then. Logged once a minute at most.
/// </summary>
internal sealed class LoopWatch : IHeartbeatListener
{
    /// <summary>How long a loop may be held.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(100);

    private static readonly TimeSpan ReportInterval = TimeSpan.FromMinutes(1);

    // One for each event loop of the process; there are as many as cores.
    [ThreadStatic]
    private static Loop? t_loop;

    private readonly Lock _lock = new();
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly List<Loop> _loops = [];
    private long? _reportedAt;

    public LoopWatch(Heartbeat heartbeat, ILogger logger)
        : this(heartbeat.Clock, logger) => heartbeat.Add(this);

    /// <summary>For event loops of our own, which are watched by others: only reports what they have noticed.</summary>
    public LoopWatch(TimeProvider clock, ILogger logger)
    {
        _clock = clock;
        _logger = logger;
    }

    /// <summary>The calling event loop begins to work for a connection of <paramref name="endPoint"/>.</summary>
    public Loop Enter(EndPoint? endPoint)
    {
        var loop = t_loop ??= new Loop();
        if (loop.Watch != this)
        {
            loop.Watch = this;
            lock (_lock)
            {
                if (!_loops.Contains(loop))
                {
                    _loops.Add(loop);
                }
            }
        }

        loop.EndPoint = endPoint;
        Volatile.Write(ref loop.EnteredAt, _clock.GetTimestamp());
        return loop;
    }

    public void Exit(Loop loop)
    {
        var held = _clock.GetElapsedTime(loop.EnteredAt);
        Volatile.Write(ref loop.EnteredAt, 0);
        if (held >= Limit)
        {
            Report(loop.EndPoint, held);
        }
    }

    public void OnHeartbeat(long now)
    {
        Loop[] loops;
        lock (_lock)
        {
            loops = [.. _loops];
        }

        foreach (var loop in loops)
        {
            var enteredAt = Volatile.Read(ref loop.EnteredAt);
            if (enteredAt != 0 && loop.Watch == this && _clock.GetElapsedTime(enteredAt, now) is var held && held >= Limit)
            {
                Report(loop.EndPoint, held);
            }
        }
    }

    /// <summary>A loop of our own is held, and there is no thread that could go on with it.</summary>
    public void ReportStall(EndPoint? endPoint, TimeSpan held, int threads)
    {
        if (IsReportDue())
        {
            SocketsLog.LoopStalled(_logger, endPoint, held.TotalMilliseconds, threads);
        }
    }

    private void Report(EndPoint? endPoint, TimeSpan held)
    {
        if (IsReportDue())
        {
            SocketsLog.LoopHeld(_logger, endPoint, held.TotalMilliseconds);
        }
    }

    private bool IsReportDue()
    {
        lock (_lock)
        {
            var now = _clock.GetTimestamp();
            if (_reportedAt is { } last && _clock.GetElapsedTime(last, now) < ReportInterval)
            {
                return false;
            }

            _reportedAt = now;
            return true;
        }
    }

    internal sealed class Loop
    {
        public LoopWatch? Watch;
        public EndPoint? EndPoint;

        /// <summary>A timestamp, or zero while the loop works for nobody.</summary>
        public long EnteredAt;
    }
}
