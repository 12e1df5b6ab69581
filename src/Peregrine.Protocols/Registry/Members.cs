namespace Peregrine.Protocols.Registry;

/// <summary>
/// The connections of a set, in slots. Whoever enumerates takes no lock: a slot is used once, so that who leaves and joins again is behind the end that an enumeration has begun
/// with. When no slot is left, or few are in use, the connections move to new slots, as many again as there are connections, and the old ones stay as they are for those who are still
/// looking at them. So joining and leaving cost the same for one connection and for ten thousand, on average.
/// </summary>
internal sealed class Members
{
    private const int FewestSlots = 4;

    // Who uses less than a part of so many moves to fewer.
    private const int SparseFactor = 4;

    private readonly Lock _lock = new();
    private Slots _slots = new(FewestSlots);
    private int _count;
    private bool _isRetired;

    public int Count => Volatile.Read(ref _count);

    public ConnectionSet.Enumerator GetEnumerator()
    {
        // The end after the slots, and the slots' own: what is in front of it was there before.
        var slots = Volatile.Read(ref _slots);
        return new ConnectionSet.Enumerator(slots.Connections, Volatile.Read(ref slots.End));
    }

    /// <summary>Null if the set is over, because the last one has left it.</summary>
    public Membership? TryAdd(RegisteredConnection connection)
    {
        lock (_lock)
        {
            if (_isRetired)
            {
                return null;
            }

            if (_slots.End == _slots.Connections.Length)
            {
                MoveLocked();
            }

            var membership = new Membership(this, connection);
            _slots.Append(membership);
            _count++;
            return membership;
        }
    }

    /// <summary>True if nobody is left, and <paramref name="retires"/>: the set is over.</summary>
    public bool Remove(Membership membership, bool retires)
    {
        lock (_lock)
        {
            _slots.Remove(membership);
            _count--;
            _isRetired |= retires && _count == 0;
            if (!_isRetired && _slots.Connections.Length > Math.Max(FewestSlots, SparseFactor * _count))
            {
                MoveLocked();
            }

            return _isRetired;
        }
    }

    private void MoveLocked()
    {
        var slots = new Slots(Math.Max(FewestSlots, 2 * _count));
        for (var i = 0; i < _slots.End; i++)
        {
            if (_slots.Memberships[i] is { } membership)
            {
                slots.Append(membership);
            }
        }

        Volatile.Write(ref _slots, slots);
    }

    private sealed class Slots(int capacity)
    {
        public readonly RegisteredConnection?[] Connections = new RegisteredConnection?[capacity];
        public readonly Membership?[] Memberships = new Membership?[capacity];

        /// <summary>So many were used.</summary>
        public int End;

        public void Append(Membership membership)
        {
            membership.Slot = End;
            Memberships[End] = membership;
            Connections[End] = membership.Connection;

            // Behind the slot: who reads the end finds it filled.
            Volatile.Write(ref End, End + 1);
        }

        public void Remove(Membership membership)
        {
            Memberships[membership.Slot] = null;
            Volatile.Write(ref Connections[membership.Slot], null);
        }
    }
}
