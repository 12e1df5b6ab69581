using Microsoft.AspNetCore.Connections;
using Peregrine.Protocols.Registry;

namespace Peregrine.Protocols;

/// <summary>A connection in a <see cref="ConnectionRegistry"/>. Every member is safe from any thread.</summary>
public sealed class RegisteredConnection : IDisposable
{
    private readonly ConnectionRegistry _registry;
    private readonly Lock _lock = new();
    private CancellationTokenRegistration _closed;

    // Under the lock.
    private Membership? _inAll;
    private Membership? _withKey;
    private string? _key;
    private Dictionary<string, Membership>? _groups;
    private bool _isOver;

    internal RegisteredConnection(ConnectionRegistry registry, ConnectionContext connection, MessageWriter writer)
    {
        _registry = registry;
        Connection = connection;
        Writer = writer;
        Loop = writer.Loop;
        Id = connection.ConnectionId;
    }

    /// <summary>The connection's id.</summary>
    public string Id { get; }

    /// <summary>The connection.</summary>
    public ConnectionContext Connection { get; }

    /// <summary>Writes to this connection alone. Its messages and those that are broadcast come in the order of the calls.</summary>
    public MessageWriter Writer { get; }

    /// <summary>Its key; null if none was set, or the connection is out.</summary>
    public string? Key
    {
        get
        {
            lock (_lock)
            {
                return _key;
            }
        }
    }

    /// <summary>The groups that it is in now, in no order. A copy.</summary>
    public IReadOnlyList<string> Groups
    {
        get
        {
            lock (_lock)
            {
                return _groups is null ? [] : [.. _groups.Keys];
            }
        }
    }

    /// <summary>Sets the key by which <see cref="ConnectionRegistry.WithKey"/> finds it, in place of the one before. Several connections may have the same.</summary>
    /// <param name="key">The key; null for none.</param>
    /// <returns>False if the connection is out.</returns>
    public bool SetKey(string? key)
    {
        lock (_lock)
        {
            if (_isOver)
            {
                return false;
            }

            // Not out and in again: whoever enumerates meanwhile would meet it twice, or not at all.
            if (key != _key)
            {
                LeaveKeyLocked();
                (_key, _withKey) = (key, key is null ? null : _registry.Keys.Add(key, this));
            }

            return true;
        }
    }

    /// <summary>Joins a group, which is there as long as anybody is in it.</summary>
    /// <returns>
    /// True if the connection is in the group now, also if it was before. False if it is in as many others as it may be (<see cref="ConnectionRegistry.DefaultMaxGroupsPerConnection"/>), or
    /// is out.
    /// </returns>
    public bool TryJoin(string group)
    {
        ArgumentNullException.ThrowIfNull(group);
        lock (_lock)
        {
            if (_isOver)
            {
                return false;
            }

            if (_groups?.ContainsKey(group) == true)
            {
                return true;
            }

            if ((_groups?.Count ?? 0) >= _registry.MaxGroupsPerConnection)
            {
                return false;
            }

            _groups ??= new(StringComparer.Ordinal);
            _groups.Add(group, _registry.Groups.Add(group, this));
            return true;
        }
    }

    /// <summary>Leaves a group.</summary>
    /// <returns>False if it was not in it.</returns>
    public bool Leave(string group)
    {
        ArgumentNullException.ThrowIfNull(group);
        lock (_lock)
        {
            if (_groups is null || !_groups.Remove(group, out var membership))
            {
                return false;
            }

            _registry.Groups.Remove(group, membership);
            return true;
        }
    }

    /// <summary>
    /// Takes it out of the registry, its key and its groups; a second call does nothing. The connection and the writer are not touched: what was posted before goes out.
    /// </summary>
    public void Dispose() => TryLeave();

    /// <summary>The writer's, at hand: a broadcast passes by many.</summary>
    internal FlushLoop Loop { get; }

    /// <summary>At the beginning, once.</summary>
    internal void Enter(Members all)
    {
        lock (_lock)
        {
            // Whoever has found it by its id may have taken it out.
            if (_isOver)
            {
                return;
            }

            _inAll = all.TryAdd(this);
        }

        // It may fire inside of the call, or before the field is set: then nothing is left to unregister.
        _closed = Connection.ConnectionClosed.UnsafeRegister(static connection => ((RegisteredConnection)connection!).TryLeave(), this);
    }

    /// <summary>Takes it out of the registry, and aborts the connection.</summary>
    /// <returns>False if it was out.</returns>
    internal bool Disconnect(string explanation)
    {
        if (!TryLeave())
        {
            return false;
        }

        // Elsewhere: an abort may run callbacks, and the other receivers do not wait for those.
        ThreadPool.UnsafeQueueUserWorkItem(
            static abort =>
            {
                try
                {
                    abort.Connection.Abort(new ConnectionAbortedException(abort.Explanation));
                }
                catch (Exception)
                {
                    // A transport whose abort fails must not take the process with it, and the connection is out already.
                }
            },
            (Connection, Explanation: explanation),
            preferLocal: false);
        return true;
    }

    private bool TryLeave()
    {
        lock (_lock)
        {
            if (_isOver)
            {
                return false;
            }

            _isOver = true;
            LeaveKeyLocked();
            foreach (var (group, membership) in _groups ?? [])
            {
                _registry.Groups.Remove(group, membership);
            }

            _groups = null;
            _inAll?.Leave();
        }

        // Not Dispose, which waits for the callback, as which this may run.
        _closed.Unregister();
        _registry.Forget(this);
        return true;
    }

    private void LeaveKeyLocked()
    {
        if (_key is not null && _withKey is not null)
        {
            _registry.Keys.Remove(_key, _withKey);
        }

        (_key, _withKey) = (null, null);
    }
}
