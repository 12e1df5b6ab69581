using System.Diagnostics.CodeAnalysis;

namespace Peregrine.Protocols;

/// <summary>
/// Pairs the requests that were sent to a peer with its replies, by the id that both carry: whoever sends a request waits here, and whoever reads a reply hands it
/// over. Bounded, and each wait ends in time.
/// <code>
/// var reply = replies.WaitAsync(request.Id, cancellationToken);   // before the request is sent: the reply may be fast
/// await writer.WriteAsync(request, format, cancellationToken);
/// return await reply;
///
/// // Where the connection is read:
/// replies.TryComplete(message.Id, message);
///
/// // When it has ended:
/// replies.Dispose();
/// </code>
/// </summary>
/// <remarks>
/// One is for one connection, and is disposed at its end. Every member is safe from any thread. One timer serves all waits, and runs while there are any.
/// </remarks>
/// <typeparam name="TId">The id.</typeparam>
/// <typeparam name="TReply">A reply, or what is made of it: it must own its bytes.</typeparam>
public sealed class PendingReplies<TId, TReply> : IDisposable
    where TId : notnull
{
    /// <summary>How many requests wait at most, by default.</summary>
    public const int DefaultMaxPending = 1024;

    private static readonly TimeSpan s_longest = TimeSpan.FromDays(24);

    private readonly Lock _lock = new();
    private readonly TimeProvider _clock;
    private readonly TimeSpan _timeout;
    private readonly int _maxPending;
    private readonly ITimer _timer;

    // Under the lock. All have the same time, so that the first one is the next whose time is over.
    private readonly Dictionary<TId, Wait> _waits;
    private readonly LinkedList<Wait> _byTime = [];
    private Exception? _end;

    /// <param name="timeout">How long a request waits for its reply: up to 24 days, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="maxPending">How many requests wait at most. From 1. Default 1024.</param>
    /// <param name="ids">Compares ids; null for their own equality.</param>
    /// <param name="clock">Null for the system's.</param>
    public PendingReplies(TimeSpan timeout, int maxPending = DefaultMaxPending, IEqualityComparer<TId>? ids = null, TimeProvider? clock = null)
    {
        if (timeout != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(timeout, TimeSpan.Zero);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(timeout, s_longest);
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(maxPending, 1);
        _timeout = timeout;
        _maxPending = maxPending;
        _waits = new Dictionary<TId, Wait>(ids);
        _clock = clock ?? TimeProvider.System;
        using (ExecutionContext.SuppressFlow())
        {
            _timer = _clock.CreateTimer(static state => ((PendingReplies<TId, TReply>)state!).EndLate(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>How many requests wait.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _waits.Count;
            }
        }
    }

    /// <summary>Waits for the reply to a request. The wait begins with the call.</summary>
    /// <param name="id">The request's.</param>
    /// <param name="cancellationToken">Ends the wait: a reply that comes later has nobody.</param>
    /// <exception cref="TimeoutException">There was no reply in time.</exception>
    /// <exception cref="OperationCanceledException">The token.</exception>
    /// <exception cref="InvalidOperationException">As many requests as may wait already do, or one with the same id.</exception>
    /// <exception cref="ObjectDisposedException">The connection has ended: see <see cref="Dispose"/>, and <see cref="End"/> for an exception of your own.</exception>
    public Task<TReply> WaitAsync(TId id, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(id);
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled<TReply>(cancellationToken);
        }

        var wait = new Wait(this, id, _clock.GetTimestamp());
        lock (_lock)
        {
            if (_end is not null)
            {
                return Task.FromException<TReply>(_end);
            }

            if (_waits.Count >= _maxPending)
            {
                return Task.FromException<TReply>(new InvalidOperationException($"{_waits.Count} requests wait for their replies, and no more may (maxPending)."));
            }

            if (!_waits.TryAdd(id, wait))
            {
                return Task.FromException<TReply>(new InvalidOperationException($"A request with the id {id} waits for its reply."));
            }

            _byTime.AddLast(wait.Place);
            if (_byTime.Count == 1 && _timeout != Timeout.InfiniteTimeSpan)
            {
                _timer.Change(_timeout, Timeout.InfiniteTimeSpan);
            }
        }

        wait.EndBy(cancellationToken);
        return wait.Task;
    }

    /// <summary>Hands over a reply.</summary>
    /// <returns>False if nobody waits for it: it is late, or was never asked for.</returns>
    public bool TryComplete(TId id, TReply reply)
    {
        if (!TryTake(id, out var wait))
        {
            return false;
        }

        wait.TrySetResult(reply);
        return true;
    }

    /// <summary>Hands over that a request has failed, as the peer says.</summary>
    /// <returns>False if nobody waits for it.</returns>
    public bool TryFail(TId id, Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        if (!TryTake(id, out var wait))
        {
            return false;
        }

        wait.TrySetException(exception);
        return true;
    }

    /// <summary>There are no more replies: all waits end with an exception, and so does every later one. The first call counts.</summary>
    public void End(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        Wait[] waits;
        lock (_lock)
        {
            if (_end is not null)
            {
                return;
            }

            _end = exception;
            waits = [.. _byTime];
            _byTime.Clear();
            _waits.Clear();
        }

        _timer.Dispose();
        foreach (var wait in waits)
        {
            wait.Leave();
            wait.TrySetException(exception);
        }
    }

    /// <summary>As <see cref="End"/>, with an <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => End(new ObjectDisposedException(GetType().Name, "The connection has ended, and there are no replies."));

    private bool TryTake(TId id, [NotNullWhen(true)] out Wait? wait)
    {
        ArgumentNullException.ThrowIfNull(id);
        lock (_lock)
        {
            if (!_waits.Remove(id, out wait))
            {
                return false;
            }

            _byTime.Remove(wait.Place);
        }

        wait.Leave();
        return true;
    }

    private void Cancel(Wait wait, CancellationToken token)
    {
        lock (_lock)
        {
            if (wait.Place.List is null)
            {
                return;
            }

            _byTime.Remove(wait.Place);
            _waits.Remove(wait.Id);
        }

        wait.TrySetCanceled(token);
    }

    private void EndLate()
    {
        List<Wait> late = [];
        lock (_lock)
        {
            while (_byTime.First is { } first)
            {
                var left = _timeout - _clock.GetElapsedTime(first.Value.StartedAt);
                if (left > TimeSpan.Zero)
                {
                    // Whole milliseconds, or it would come a little early and again.
                    _timer.Change(TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)), Timeout.InfiniteTimeSpan);
                    break;
                }

                _byTime.RemoveFirst();
                _waits.Remove(first.Value.Id);
                late.Add(first.Value);
            }
        }

        foreach (var wait in late)
        {
            wait.Leave();
            wait.TrySetException(new TimeoutException($"There was no reply to the request {wait.Id} within {_timeout}."));
        }
    }

    private sealed class Wait : TaskCompletionSource<TReply>
    {
        private readonly PendingReplies<TId, TReply> _replies;
        private CancellationTokenRegistration _registration;

        public Wait(PendingReplies<TId, TReply> replies, TId id, long startedAt)
            : base(TaskCreationOptions.RunContinuationsAsynchronously)
        {
            _replies = replies;
            Id = id;
            StartedAt = startedAt;
            Place = new LinkedListNode<Wait>(this);
        }

        public TId Id { get; }

        public long StartedAt { get; }

        public LinkedListNode<Wait> Place { get; }

        public void EndBy(CancellationToken cancellationToken)
        {
            if (!cancellationToken.CanBeCanceled)
            {
                return;
            }

            var registration = cancellationToken.UnsafeRegister(
                static (state, token) => ((Wait)state!)._replies.Cancel((Wait)state, token), this);
            lock (_replies._lock)
            {
                if (Place.List is not null)
                {
                    _registration = registration;
                    return;
                }
            }

            // It has ended meanwhile, and would keep the token.
            registration.Unregister();
        }

        /// <summary>Nobody looks for it any more; called by the one that has taken it.</summary>
        public void Leave() => _registration.Unregister();
    }
}
