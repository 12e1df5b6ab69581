using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Buffers;

/// <summary>A few free blocks for the threads of one core. Nobody waits for it: who finds it taken goes to the shared blocks.</summary>
[StructLayout(LayoutKind.Sequential)]
internal sealed class CoreCache(int capacity)
{
    private readonly PinnedBlock?[] _blocks = new PinnedBlock?[capacity];
    private int _taken;
    private int _count;
    private long _rented;

#pragma warning disable CS0169, CA1823 // Keeps the next core's fields off this one's cache line.
    private readonly Int128 _padding0, _padding1, _padding2, _padding3;
#pragma warning restore CS0169, CA1823

    /// <summary>Blocks that were rented here less those that were returned here: negative if more came back.</summary>
    public long Rented => Volatile.Read(ref _rented);

    // A thread may be moved to another core at any point, so two may meet here.
    public bool TryEnter() => Interlocked.CompareExchange(ref _taken, 1, 0) == 0;

    public void Exit() => Volatile.Write(ref _taken, 0);

    public PinnedBlock? Take()
    {
        if (_count == 0)
        {
            return null;
        }

        var block = _blocks[--_count];
        _blocks[_count] = null;
        return block;
    }

    public bool TryPut(PinnedBlock block)
    {
        if (_count == _blocks.Length)
        {
            return false;
        }

        _blocks[_count++] = block;
        return true;
    }

    public void Count(int rented) => Volatile.Write(ref _rented, _rented + rented);
}
