using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace Peregrine.Middleware.Sessions;

/// <summary>
/// The memory of what waits in the queues of one table's sessions: in use and free it is never more than the bound. What a second did not need is given back to
/// the garbage collector by halves. Safe to use from any thread.
/// </summary>
/// <remarks>
/// Not <see cref="System.Buffers.ArrayPool{T}.Shared"/>, which keeps a few arrays for each core and allocates beyond: a thousand sessions with a datagram
/// each are more than that.
/// </remarks>
internal sealed class DatagramPool(long maxBytes)
{
    /// <summary>What is known about a datagram, and the headers of the objects, about.</summary>
    public const int Overhead = 192;

    // Class 0 has no payload; class n from 1 has up to 32 << n bytes.
    private const int SmallestShift = 6;
    private const int LargestShift = 16;
    private const int Classes = LargestShift - SmallestShift + 2;

    private readonly Lock _lock = new();
    private readonly Stack[] _free = new Stack[Classes];
    private long _allocated;
    private long _used;

    /// <summary>The longest payload that it has memory for: more than a datagram can have.</summary>
    public const int LargestPayload = 1 << LargestShift;

    /// <summary>What the largest datagram takes.</summary>
    public const int LargestCost = LargestPayload + Overhead;

    /// <summary>The bytes of what is in use and of what is free.</summary>
    public long Allocated
    {
        get
        {
            lock (_lock)
            {
                return _allocated;
            }
        }
    }

    /// <summary>The bytes of what is in use.</summary>
    public long Used
    {
        get
        {
            lock (_lock)
            {
                return _used;
            }
        }
    }

    /// <summary>The bytes that a payload of a length counts for.</summary>
    public static int CostOf(int length) => CostOfClass(ClassOf(length));

    public static int CostOf(QueuedDatagram datagram) => CostOfClass(datagram.SizeClass);

    /// <returns>Null at the bound.</returns>
    public QueuedDatagram? TryRent(int length)
    {
        var sizeClass = ClassOf(length);
        var cost = CostOfClass(sizeClass);
        lock (_lock)
        {
            if (_free[sizeClass].TryPop(out var free))
            {
                _used += cost;
                return free;
            }

            if (!MakeRoomLocked(cost))
            {
                return null;
            }

            _allocated += cost;
            _used += cost;
        }

        return new QueuedDatagram(sizeClass, CapacityOf(sizeClass));
    }

    public void Return(QueuedDatagram datagram)
    {
        Debug.Assert(datagram.Next is null, "It is in a queue, or was returned before.");
        lock (_lock)
        {
            _used -= CostOf(datagram);
            Debug.Assert(_used >= 0, "More came back than was rented.");
            _free[datagram.SizeClass].Push(datagram);
        }
    }

    /// <summary>Gives half of it back that was not needed since the last call.</summary>
    public void Trim()
    {
        lock (_lock)
        {
            for (var sizeClass = 0; sizeClass < Classes; sizeClass++)
            {
                ref var free = ref _free[sizeClass];
                for (var left = (free.Fewest + 1) / 2; left > 0 && free.TryPop(out _); left--)
                {
                    _allocated -= CostOfClass(sizeClass);
                }

                free.Fewest = free.Count;
            }
        }
    }

    // What is free in other sizes makes room, the largest first.
    private bool MakeRoomLocked(int cost)
    {
        for (var sizeClass = Classes - 1; sizeClass >= 0 && _allocated + cost > maxBytes; sizeClass--)
        {
            while (_allocated + cost > maxBytes && _free[sizeClass].TryPop(out _))
            {
                _allocated -= CostOfClass(sizeClass);
            }
        }

        return _allocated + cost <= maxBytes;
    }

    private static int ClassOf(int length) =>
        length == 0 ? 0 : Math.Max(0, BitOperations.Log2((uint)(length - 1)) + 1 - SmallestShift) + 1;

    private static int CapacityOf(int sizeClass) => sizeClass == 0 ? 0 : 1 << (sizeClass - 1 + SmallestShift);

    private static int CostOfClass(int sizeClass) => CapacityOf(sizeClass) + Overhead;

    private struct Stack
    {
        private QueuedDatagram? _top;

        public int Count { get; private set; }

        /// <summary>The least that were free at a time since the last <see cref="Trim"/>.</summary>
        public int Fewest { get; set; }

        public void Push(QueuedDatagram datagram)
        {
            datagram.Next = _top;
            _top = datagram;
            Count++;
        }

        public bool TryPop([NotNullWhen(true)] out QueuedDatagram? datagram)
        {
            datagram = _top;
            if (datagram is null)
            {
                return false;
            }

            _top = datagram.Next;
            datagram.Next = null;
            Count--;
            Fewest = Math.Min(Fewest, Count);
            return true;
        }
    }
}
