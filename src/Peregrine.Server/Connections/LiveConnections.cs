using Peregrine.Features;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Connections;

/// <summary>
/// Connections in an array, beside what tells whether the heartbeat needs to look at them: a walk through thousands that rest touches little of the memory
/// of each, and waits for none of it before it knows the next. For one thread at a time: the tracker's lock.
/// </summary>
internal sealed class LiveConnections
{
    private const int LeastCapacity = 64;

    /// <summary>So many are walked at a time, so that nobody waits for the lock for long.</summary>
    private const int Stretch = 512;

    private Entry[] _entries = [];
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public void Add(ServerConnection connection)
    {
        if (_count == _entries.Length)
        {
            Array.Resize(ref _entries, Math.Max(LeastCapacity, 2 * _count));
        }

        connection.Index = _count;
        _entries[_count++] = new Entry(connection, connection.Supervision.Buffers);
    }

    /// <summary>The last one takes its place. False if it is not there.</summary>
    public bool Remove(ServerConnection connection)
    {
        if (connection.Index < 0)
        {
            return false;
        }

        var last = _entries[--_count];
        _entries[connection.Index] = last;
        last.Connection.Index = connection.Index;
        _entries[_count] = default;
        connection.Index = -1;
        if (_entries.Length > LeastCapacity && _count < _entries.Length / 4)
        {
            Array.Resize(ref _entries, _entries.Length / 2);
        }

        return true;
    }

    public ServerConnection[] ToArray() => Array.ConvertAll(_entries[.._count], static entry => entry.Connection);

    /// <summary>
    /// Walks a stretch of the connections from <paramref name="end"/> down, and adds those that do not rest. Down, because who takes the place of one
    /// that was removed comes from the end: it may be met twice in one walk, and is never left out.
    /// </summary>
    /// <returns>Where the next stretch ends; 0 at the last.</returns>
    public int AddAwake(int end, uint now, List<ServerConnection> awake)
    {
        end = Math.Min(end, _count);
        var start = Math.Max(0, end - Stretch);
        foreach (ref var entry in _entries.AsSpan(start..end))
        {
            if (!entry.Rest.Covers(now, entry.Buffers))
            {
                awake.Add(entry.Connection);
            }
        }

        return start;
    }

    /// <summary>The same, of all connections.</summary>
    public int AddSome(int end, List<ServerConnection> connections)
    {
        end = Math.Min(end, _count);
        var start = Math.Max(0, end - Stretch);
        foreach (ref readonly var entry in _entries.AsSpan(start..end))
        {
            connections.Add(entry.Connection);
        }

        return start;
    }

    public void LetRest(ServerConnection connection, in Rest rest)
    {
        if (connection.Index >= 0)
        {
            _entries[connection.Index].Rest = rest;
        }
    }

    public void EndRests()
    {
        foreach (ref var entry in _entries.AsSpan(.._count))
        {
            entry.Rest = default;
        }
    }

    private struct Entry(ServerConnection connection, IConnectionBufferFeature? buffers)
    {
        public readonly ServerConnection Connection = connection;
        public readonly IConnectionBufferFeature? Buffers = buffers;
        public Rest Rest;
    }
}
