using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware.Refusals;

namespace Peregrine.Middleware.Timeouts;

/// <summary>One timer, of one second, for the connections of a pipeline; it runs only while there are any.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "It lives as long as its pipeline, and the timer runs only while there are connections.")]
internal sealed class TimeoutWatch
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DefaultGrace = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly RefusalReport _refusals;
    private readonly ITimer _timer;

    // Under the lock.
    private readonly List<WatchedConnection> _connections = [];

    // The beat's.
    private readonly List<WatchedConnection> _looked = [];
    private int _isBeating;

    public TimeoutWatch(ConnectionTimeoutOptions options, TimeProvider clock, RefusalReport refusals)
    {
        _refusals = refusals;
        Clock = new SupervisedClock(clock);
        Values = new TimeoutValues(
            Milliseconds(options.FirstByte), Milliseconds(options.Handshake), Milliseconds(options.Idle), Milliseconds(options.WriteProgress),
            options.MinReadRateInBytesPerSecond ?? 0, Milliseconds(options.MinReadRateGrace ?? DefaultGrace));
        using (ExecutionContext.SuppressFlow())
        {
            _timer = clock.CreateTimer(static state => ((TimeoutWatch)state!).Beat(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    public SupervisedClock Clock { get; }

    public TimeoutValues Values { get; }

    public async Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var features = connection.Features;
        var watched = new WatchedConnection(connection, this);
        var handshakes = features.Get<IConnectionHandshakeFeature>();
        features.Set<IConnectionTimeoutFeature>(watched);
        if (handshakes is null)
        {
            features.Set<IConnectionHandshakeFeature>(watched);
        }

        Add(watched);
        try
        {
            await connection.RunWithTransportAsync(watched.Input, watched.Output, next).ConfigureAwait(false);
        }
        finally
        {
            Remove(watched);
            features.Set<IConnectionTimeoutFeature>(null);
            features.Set(handshakes);
        }
    }

    public void Refuse(ConnectionContext connection, IConnectionCloseFeature? close, ConnectionCloseReason reason, string explanation) =>
        _refusals.Refuse(connection, close, reason, explanation);

    private void Add(WatchedConnection connection)
    {
        lock (_lock)
        {
            if (_connections.Count == 0)
            {
                // It has not beaten for a while, which is no time that anybody has waited.
                Clock.Beat();
                _timer.Change(Interval, Interval);
            }

            connection.Begin();
            connection.Index = _connections.Count;
            _connections.Add(connection);
        }
    }

    private void Remove(WatchedConnection connection)
    {
        // The beat may be going through a copy of the list.
        connection.End();
        lock (_lock)
        {
            var last = _connections[^1];
            last.Index = connection.Index;
            _connections[connection.Index] = last;
            _connections.RemoveAt(_connections.Count - 1);
            if (_connections.Count == 0)
            {
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private void Beat()
    {
        // A timer does not wait for its callback.
        if (Interlocked.Exchange(ref _isBeating, 1) != 0)
        {
            return;
        }

        uint now, elapsed;
        lock (_lock)
        {
            (now, elapsed) = Clock.Beat();
            _looked.AddRange(CollectionsMarshal.AsSpan(_connections));
        }

        foreach (var connection in _looked)
        {
            try
            {
                connection.Look(now, elapsed);
            }
            catch (Exception)
            {
                // Of the transport's Abort: the connection is looked at no more, and the others are.
            }
        }

        _looked.Clear();
        Volatile.Write(ref _isBeating, 0);
    }

    private static int Milliseconds(TimeSpan? time) => TimeoutValues.Milliseconds(time ?? TimeSpan.Zero);
}
