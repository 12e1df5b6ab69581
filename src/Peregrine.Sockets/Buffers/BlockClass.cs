using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Buffers;

/// <summary>
/// The blocks of one size. A free block is in the cache of a core, or among the shared ones: warm (its memory is there) or cold (its memory
/// was given back, its place in the slab is kept). A slab that is all cold is left to the garbage collector.
/// </summary>
internal sealed class BlockClass
{
    private const int ReleaseBatch = 32;

    private readonly PinnedMemoryPool _pool;
    private readonly int _blockSizeInBytes;
    private readonly int _mostWarm;
    private readonly CoreCache[] _caches;

    private readonly Lock _lock = new();
    private readonly Stack<PinnedBlock> _warm = new();
    private readonly List<BlockSlab> _slabsWithCold = [];
    private int _leastWarm;
    private long _slabs;
    private long _rented;

    public BlockClass(PinnedMemoryPool pool, int blockSizeInBytes, int cachedPerCore, long mostWarmBytes)
    {
        _pool = pool;
        _blockSizeInBytes = blockSizeInBytes;
        _mostWarm = (int)Math.Min(mostWarmBytes / blockSizeInBytes, int.MaxValue);
        _caches = new CoreCache[Environment.ProcessorCount];
        for (var i = 0; i < _caches.Length; i++)
        {
            _caches[i] = new CoreCache(cachedPerCore);
        }
    }

    public long AllocatedBytes => Volatile.Read(ref _slabs) * BlockSlab.SizeInBytes;

    /// <summary>Exact while nobody rents or returns.</summary>
    public long RentedBytes
    {
        get
        {
            var rented = Volatile.Read(ref _rented);
            foreach (var cache in _caches)
            {
                rented += cache.Rented;
            }

            return rented * _blockSizeInBytes;
        }
    }

    public bool HasWarm
    {
        get
        {
            lock (_lock)
            {
                return _warm.Count > 0;
            }
        }
    }

    public PinnedBlock Rent()
    {
        var cache = CacheOfThisCore();
        if (cache.TryEnter())
        {
            var cached = cache.Take();
            if (cached is not null)
            {
                cache.Count(1);
            }

            cache.Exit();
            if (cached is not null)
            {
                return cached.Rented();
            }
        }

        lock (_lock)
        {
            var block = TakeLocked();
            _rented++;
            return block.Rented();
        }
    }

    public void Return(PinnedBlock block)
    {
        var cache = CacheOfThisCore();
        if (cache.TryEnter())
        {
            var kept = cache.TryPut(block);
            if (kept)
            {
                cache.Count(-1);
            }

            cache.Exit();
            if (kept)
            {
                return;
            }
        }

        lock (_lock)
        {
            _rented--;
            if (_warm.Count < _mostWarm)
            {
                _warm.Push(block);
                block = null!;
            }
        }

        if (block is null)
        {
            _pool.TrimLater();
            return;
        }

        ReleasePages(block);
        lock (_lock)
        {
            AddColdLocked(block);
        }
    }

    /// <summary>Gives back the memory of the blocks that have lain unused since the last call.</summary>
    public void Trim()
    {
        int surplus;
        lock (_lock)
        {
            surplus = _leastWarm;
        }

        // In batches, and the system calls outside of the lock: who rents must not wait for a burst's worth of them.
        var batch = new List<PinnedBlock>(ReleaseBatch);
        while (surplus > 0)
        {
            lock (_lock)
            {
                while (surplus > 0 && batch.Count < ReleaseBatch && _warm.TryPop(out var block))
                {
                    batch.Add(block);
                    surplus--;
                }
            }

            if (batch.Count == 0)
            {
                break;
            }

            batch.ForEach(ReleasePages);
            lock (_lock)
            {
                batch.ForEach(AddColdLocked);
            }

            batch.Clear();
        }

        lock (_lock)
        {
            _leastWarm = _warm.Count;
        }
    }

    private CoreCache CacheOfThisCore() => _caches[(uint)Thread.GetCurrentProcessorId() % (uint)_caches.Length];

    private PinnedBlock TakeLocked()
    {
        if (_warm.TryPop(out var warm))
        {
            _leastWarm = Math.Min(_leastWarm, _warm.Count);
            return warm;
        }

        if (_slabsWithCold.Count == 0)
        {
            _slabsWithCold.Add(new BlockSlab(this, _blockSizeInBytes));
            _slabs++;
        }

        var slab = _slabsWithCold[^1];
        var cold = slab.TakeCold();
        if (!slab.HasCold)
        {
            _slabsWithCold.RemoveAt(_slabsWithCold.Count - 1);
        }

        return cold;
    }

    private void AddColdLocked(PinnedBlock block)
    {
        var slab = block.Slab;
        if (!slab.HasCold)
        {
            _slabsWithCold.Add(slab);
        }

        slab.AddCold(block);
        if (slab.IsCold)
        {
            _slabsWithCold.Remove(slab);
            _slabs--;
        }
    }

    private void ReleasePages(PinnedBlock block)
    {
        if (OperatingSystem.IsLinux() && _blockSizeInBytes % Environment.SystemPageSize == 0)
        {
            PageRelease.Release(block.Memory.Span);
        }
    }
}
