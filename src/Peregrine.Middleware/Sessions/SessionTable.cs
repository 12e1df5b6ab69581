using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Peregrine.Middleware.Sessions;

/// <summary>
/// The sessions of an endpoint, within their limits. A session is found without a lock; what changes the table takes it, and calls nobody's code under it: what is
/// to be told or woken is handed back. Safe to use from any thread.
/// </summary>
internal sealed class SessionTable
{
    private readonly Lock _lock = new();
    private readonly int _maxSessions;
    private readonly int _maxPerAddress;
    private readonly ConcurrentDictionary<SessionKey, DatagramSession> _sessions;
    private readonly Dictionary<PeerNetwork, NetworkSessions> _networks;
    private readonly IdleWheel _wheel;

    // Those whose peers are not validated, the oldest first; and those that have ended, but their handlers have not.
    private readonly LinkedList<DatagramSession> _unvalidated = [];
    private readonly LinkedList<DatagramSession> _ending = [];
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;
    private long _lastId;
    private bool _isStopping;

    public SessionTable(DatagramSessionOptions options, TimeProvider clock)
    {
        // Every write is under the lock of the table: one of the dictionary's own is enough.
        var comparer = new SessionKeyComparer();
        _sessions = new ConcurrentDictionary<SessionKey, DatagramSession>(concurrencyLevel: 1, capacity: 31, comparer);
        _networks = new Dictionary<PeerNetwork, NetworkSessions>(comparer);
        _maxSessions = options.MaxSessions;
        _maxPerAddress = options.MaxSessionsPerAddress;
        _wheel = new IdleWheel(clock.TimestampFrequency, (long)Math.Ceiling(options.IdleTimeout.TotalSeconds * clock.TimestampFrequency), clock.GetTimestamp());
    }

    /// <summary>How many sessions there are.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>How many have ended, and their handlers have not.</summary>
    public int EndingCount
    {
        get
        {
            lock (_lock)
            {
                return _ending.Count;
            }
        }
    }

    /// <summary>Completes when the table stops, and the last handler has returned.</summary>
    public Task Drained => _drained.Task;

    public DatagramSession? Find(in SessionKey key) => _sessions.TryGetValue(key, out var session) ? session : null;

    /// <summary>Adds a session, unless another thread has added it meanwhile.</summary>
    /// <param name="seed">What the session is made of.</param>
    /// <param name="session">The session: a new one, or that of the other thread.</param>
    /// <param name="isNew">Whether it is a new one.</param>
    /// <param name="evicted">The session that made room for it: it has ended.</param>
    /// <returns>Why there is none; null if there is.</returns>
    public DatagramDropReason? TryAdd(in SessionSeed seed, out DatagramSession? session, out bool isNew, out EndedSession evicted)
    {
        isNew = false;
        evicted = default;
        var network = NetworkOf(seed.Path.RemoteAddress);
        lock (_lock)
        {
            if (_sessions.TryGetValue(seed.Key, out session))
            {
                return null;
            }

            if (_isStopping)
            {
                return DatagramDropReason.Stopping;
            }

            DatagramSession? oldest = null;
            if (_networks.GetValueOrDefault(network) is { } ofNetwork && ofNetwork.Count >= _maxPerAddress)
            {
                // Who is there goes before who may be forged. A newcomer that may be forged itself does not: a flood would end one session after the other.
                oldest = seed.IsValidated ? ofNetwork.OldestUnvalidated : null;
                if (oldest is null)
                {
                    return DatagramDropReason.SessionLimitPerAddress;
                }
            }
            else if (_count >= _maxSessions)
            {
                oldest = _unvalidated.First?.Value;
                if (oldest is null)
                {
                    return DatagramDropReason.SessionLimit;
                }
            }

            if (_ending.Count >= (seed.IsValidated ? _maxSessions : _maxSessions - (_maxSessions / 4)))
            {
                return DatagramDropReason.SessionLimit;
            }

            if (oldest is not null)
            {
                evicted = EndLocked(oldest, DatagramSessionEndReason.Evicted);
            }

            session = seed.Create(++_lastId);
            _sessions[seed.Key] = session;
            ref var ofItsNetwork = ref JoinLocked(network);
            _wheel.Add(session);
            if (session.UnvalidatedNode is { } node)
            {
                _unvalidated.AddLast(node);
                ofItsNetwork.AddUnvalidated(session);
            }

            _count++;
            isNew = true;
            return null;
        }
    }

    /// <summary>Takes a session out, and gives it its reason.</summary>
    /// <returns>Nothing if it had ended.</returns>
    public EndedSession End(DatagramSession session, DatagramSessionEndReason reason)
    {
        lock (_lock)
        {
            return session.EndReason is null ? EndLocked(session, reason) : default;
        }
    }

    /// <summary>The handler of a session that has ended has returned.</summary>
    public void Remove(DatagramSession session)
    {
        lock (_lock)
        {
            _ending.Remove(session.ListNode);
            CompleteLocked();
        }
    }

    public void Validate(DatagramSession session)
    {
        lock (_lock)
        {
            if (session.EndReason is null)
            {
                ValidateLocked(session);
            }
        }
    }

    /// <summary>Moves a session, which is validated then.</summary>
    /// <param name="session">The session.</param>
    /// <param name="path">Where to.</param>
    /// <param name="evicted">The session that made room for it: it has ended.</param>
    /// <returns>False if it has ended, or there is no room.</returns>
    public bool TryMove(DatagramSession session, in DatagramPath path, out EndedSession evicted)
    {
        evicted = default;
        lock (_lock)
        {
            if (session.EndReason is not null)
            {
                return false;
            }

            var (from, to) = (NetworkOf(session.RemoteAddress), NetworkOf(path.RemoteAddress));
            if (from != to && _networks.GetValueOrDefault(to) is { } ofNetwork && ofNetwork.Count >= _maxPerAddress)
            {
                if (ofNetwork.OldestUnvalidated is not { } oldest || _ending.Count >= _maxSessions)
                {
                    return false;
                }

                evicted = EndLocked(oldest, DatagramSessionEndReason.Evicted);
            }

            ValidateLocked(session);
            LeaveLocked(from);
            JoinLocked(to);
            session.SetPathLocked(in path);
            return true;
        }
    }

    /// <summary>Ends sessions that nothing was heard of.</summary>
    /// <param name="now">The clock's time.</param>
    /// <param name="most">The most sessions to look at.</param>
    /// <param name="expired">Empty; gets those that have ended.</param>
    /// <param name="ended">Empty; what is to be done about them.</param>
    /// <returns>Whether it was all of them.</returns>
    public bool Expire(long now, int most, List<DatagramSession> expired, List<EndedSession> ended)
    {
        lock (_lock)
        {
            var isDone = _wheel.Advance(now, most, expired);
            foreach (var session in expired)
            {
                ended.Add(EndLocked(session, DatagramSessionEndReason.Idle));
            }

            return isDone;
        }
    }

    /// <summary>Ends every session, and takes no more.</summary>
    public List<EndedSession> Stop()
    {
        var ended = new List<EndedSession>();
        lock (_lock)
        {
            _isStopping = true;
            foreach (var (_, session) in _sessions)
            {
                ended.Add(EndLocked(session, DatagramSessionEndReason.Stopping));
            }

            CompleteLocked();
        }

        return ended;
    }

    /// <summary>The sessions whose handlers have not returned, of those that have ended.</summary>
    public List<DatagramSession> Ending()
    {
        lock (_lock)
        {
            return [.. _ending];
        }
    }

    private EndedSession EndLocked(DatagramSession session, DatagramSessionEndReason reason)
    {
        _sessions.TryRemove(session.Key, out _);
        TakeOutOfUnvalidatedLocked(session);
        LeaveLocked(NetworkOf(session.RemoteAddress));
        session.ListNode.List?.Remove(session.ListNode);
        _ending.AddLast(session.ListNode);
        _count--;
        return new EndedSession(session, reason, session.EndLocked(reason));
    }

    private void ValidateLocked(DatagramSession session)
    {
        if (TakeOutOfUnvalidatedLocked(session))
        {
            session.SetValidatedLocked();
        }
    }

    private bool TakeOutOfUnvalidatedLocked(DatagramSession session)
    {
        if (session.UnvalidatedNode is not { List: { } unvalidated } node)
        {
            return false;
        }

        unvalidated.Remove(node);
        CollectionsMarshal.GetValueRefOrNullRef(_networks, NetworkOf(session.RemoteAddress)).RemoveUnvalidated(session);
        return true;
    }

    // The reference is good until another network comes or goes.
    private ref NetworkSessions JoinLocked(PeerNetwork network)
    {
        ref var joined = ref CollectionsMarshal.GetValueRefOrAddDefault(_networks, network, out _);
        joined.Count++;
        return ref joined;
    }

    private void LeaveLocked(PeerNetwork network)
    {
        if (--CollectionsMarshal.GetValueRefOrNullRef(_networks, network).Count == 0)
        {
            _networks.Remove(network);
        }
    }

    private void CompleteLocked()
    {
        if (_isStopping && _ending.Count == 0)
        {
            _drained.TrySetResult();
        }
    }

    private static PeerNetwork NetworkOf(in DatagramAddress address) =>
        PeerNetwork.Of(new PeerAddress(address.IsIPv4 ? address.IPv4Bits : new UInt128(address.UpperBits, address.LowerBits), !address.IsIPv4));
}

/// <summary>What a new session is made of.</summary>
internal readonly ref struct SessionSeed(SessionMiddleware owner, SessionKey key, in DatagramPath path, DatagramSender sender, bool isValidated, long now)
{
    private readonly DatagramPath _path = path;

    public SessionKey Key { get; } = key;

    public DatagramPath Path => _path;

    public bool IsValidated => isValidated;

    public DatagramSession Create(long id) => new(owner, id, Key, in _path, sender, isValidated, now);
}

/// <summary>A session that has just ended; of the default value, none.</summary>
/// <param name="Session">The session.</param>
/// <param name="Reason">Its reason.</param>
/// <param name="MustWake">Whether its reader waits.</param>
internal readonly record struct EndedSession(DatagramSession? Session, DatagramSessionEndReason Reason, bool MustWake);
