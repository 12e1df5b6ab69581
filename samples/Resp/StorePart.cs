using System.Runtime.InteropServices;

namespace Resp;

/// <summary>Some of the keys, under one lock.</summary>
internal sealed class StorePart
{
    private const int HasNoEnd = -1;

    private readonly StoreSpace _space;
    private readonly StoreClock _clock;
    private readonly Lock _lock = new();
    private readonly Dictionary<byte[], Entry> _entries = new(ByteStrings.Comparer);
    private readonly Dictionary<byte[], Entry>.AlternateLookup<ReadOnlySpan<byte>> _lookup;

    // The keys that have an end, in no order; and where the sweep is.
    private readonly List<byte[]> _ending = [];
    private int _swept;

    public StorePart(StoreSpace space, StoreClock clock)
    {
        _space = space;
        _clock = clock;
        _lookup = _entries.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    public byte[]? Get(ReadOnlySpan<byte> key)
    {
        lock (_lock)
        {
            return TryGetLocked(key, out var entry) ? entry.Value : null;
        }
    }

    /// <summary>Sets a value, if the condition is met.</summary>
    public SetResult Set(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, SetOptions options, out byte[]? old)
    {
        lock (_lock)
        {
            var exists = TryGetLocked(key, out var entry);
            old = entry.Value;
            if (options.Condition != SetCondition.Always && exists != (options.Condition == SetCondition.KeyExists))
            {
                return SetResult.NotMet;
            }

            return SetLocked(key, value, exists, entry, options) ? SetResult.Done : SetResult.OutOfMemory;
        }
    }

    /// <summary>Adds to a number. A key that is missing is 0.</summary>
    public AddResult Add(ReadOnlySpan<byte> key, long delta, out long sum)
    {
        lock (_lock)
        {
            var exists = TryGetLocked(key, out var entry);
            long number = 0;
            sum = 0;
            if (exists && !ByteStrings.TryParseInteger(entry.Value, out number))
            {
                return AddResult.NoInteger;
            }

            sum = unchecked(number + delta);
            if (((number ^ sum) & (delta ^ sum)) < 0)
            {
                return AddResult.Overflow;
            }

            return SetLocked(key, ByteStrings.OfInteger(sum), exists, entry, new SetOptions(KeepsLifetime: true)) ? AddResult.Done : AddResult.OutOfMemory;
        }
    }

    public bool Remove(ReadOnlySpan<byte> key)
    {
        lock (_lock)
        {
            if (!TryGetLocked(key, out var entry))
            {
                return false;
            }

            RemoveLocked(key, entry);
            return true;
        }
    }

    /// <summary>Gives a key an end. A time that is over removes it. False if there is no such key.</summary>
    public bool SetLifetime(ReadOnlySpan<byte> key, long milliseconds)
    {
        lock (_lock)
        {
            if (!TryGetLocked(key, out var entry))
            {
                return false;
            }

            if (milliseconds <= 0)
            {
                RemoveLocked(key, entry);
                return true;
            }

            SetEndLocked(ref CollectionsMarshal.GetValueRefOrNullRef(_lookup, key), key, _clock.Now + milliseconds);
            return true;
        }
    }

    /// <summary>Takes the end from a key. False if there is no such key, or it has none.</summary>
    public bool Persist(ReadOnlySpan<byte> key)
    {
        lock (_lock)
        {
            if (!TryGetLocked(key, out var entry) || !entry.HasEnd)
            {
                return false;
            }

            SetEndLocked(ref CollectionsMarshal.GetValueRefOrNullRef(_lookup, key), key, HasNoEnd);
            return true;
        }
    }

    /// <summary>The milliseconds that a key has left; -1 if it has no end, -2 if there is no such key.</summary>
    public long LifetimeOf(ReadOnlySpan<byte> key)
    {
        lock (_lock)
        {
            return !TryGetLocked(key, out var entry) ? -2 : entry.HasEnd ? entry.End - _clock.Now : -1;
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            long bytes = 0;
            foreach (var (key, entry) in _entries)
            {
                bytes += key.Length + entry.Value.Length;
            }

            _space.TryTake(-_entries.Count, -bytes);
            _entries.Clear();
            _ending.Clear();
        }
    }

    /// <summary>Looks at so many keys that have an end, at most, and removes those whose time is over.</summary>
    /// <returns>How many it has looked at: fewer if it has come to the last one.</returns>
    public int Sweep(int most)
    {
        lock (_lock)
        {
            var now = _ending.Count > 0 ? _clock.Now : 0;
            for (var looked = 0; looked < most; looked++)
            {
                if (_swept >= _ending.Count)
                {
                    _swept = 0;
                    return looked;
                }

                var key = _ending[_swept];
                var entry = _entries[key];
                if (entry.End > now)
                {
                    _swept++;
                }
                else
                {
                    // Another one takes its place.
                    RemoveLocked(key, entry);
                }
            }

            return most;
        }
    }

    private bool TryGetLocked(ReadOnlySpan<byte> key, out Entry entry)
    {
        if (!_lookup.TryGetValue(key, out entry))
        {
            return false;
        }

        if (entry.HasEnd && entry.End <= _clock.Now)
        {
            RemoveLocked(key, entry);
            entry = default;
            return false;
        }

        return true;
    }

    private bool SetLocked(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, bool exists, in Entry old, SetOptions options)
    {
        if (!_space.TryTake(exists ? 0 : 1, exists ? value.Length - old.Value.Length : key.Length + value.Length))
        {
            return false;
        }

        ref var entry = ref CollectionsMarshal.GetValueRefOrAddDefault(_lookup, key, out _);
        entry.Value = value.ToArray();
        if (!exists)
        {
            entry.End = HasNoEnd;
        }

        if (options.Lifetime is { } lifetime)
        {
            SetEndLocked(ref entry, key, _clock.Now + lifetime);
        }
        else if (entry.HasEnd && !options.KeepsLifetime)
        {
            SetEndLocked(ref entry, key, HasNoEnd);
        }

        return true;
    }

    private void RemoveLocked(ReadOnlySpan<byte> key, in Entry entry)
    {
        _space.TryTake(-1, -(key.Length + entry.Value.Length));
        if (entry.HasEnd)
        {
            ForgetEndLocked(entry.EndingIndex);
        }

        _lookup.Remove(key);
    }

    private void SetEndLocked(ref Entry entry, ReadOnlySpan<byte> key, long end)
    {
        if (end == HasNoEnd)
        {
            ForgetEndLocked(entry.EndingIndex);
        }
        else if (!entry.HasEnd)
        {
            entry.EndingIndex = _ending.Count;
            _lookup.TryGetValue(key, out var same, out _);
            _ending.Add(same!);
        }

        entry.End = end;
    }

    /// <summary>The last one takes its place.</summary>
    private void ForgetEndLocked(int index)
    {
        var last = _ending[^1];
        _ending.RemoveAt(_ending.Count - 1);
        if (index < _ending.Count)
        {
            _ending[index] = last;
            CollectionsMarshal.GetValueRefOrNullRef(_entries, last).EndingIndex = index;
        }
    }

    private struct Entry
    {
        public byte[] Value;

        /// <summary>On the clock of the store.</summary>
        public long End;

        /// <summary>Where the key is among those that have an end.</summary>
        public int EndingIndex;

        public readonly bool HasEnd => End != HasNoEnd;
    }
}
