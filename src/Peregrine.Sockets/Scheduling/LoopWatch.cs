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
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(100);
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
    {
        _clock = heartbeat.Clock;
        _logger = logger;
        heartbeat.Add(this);
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

    private void Report(EndPoint? endPoint, TimeSpan held)
    {
        lock (_lock)
        {
            var now = _clock.GetTimestamp();
            if (_reportedAt is { } last && _clock.GetElapsedTime(last, now) < ReportInterval)
            {
                return;
            }

            _reportedAt = now;
        }

        SocketsLog.LoopHeld(_logger, endPoint, held.TotalMilliseconds);
    }

    internal sealed class Loop
    {
        public LoopWatch? Watch;
        public EndPoint? EndPoint;

        /// <summary>A timestamp, or zero while the loop works for nobody.</summary>
        public long EnteredAt;
    }
}
