using System.Buffers;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Peregrine.Testing;

/// <summary>A block of a <see cref="LeakCheckingMemoryPool"/>: one object for each rent, so that stale references are told from new ones.</summary>
internal sealed class LeakCheckedBlock(LeakCheckingMemoryPool pool, long id, byte[] array, StackTrace? rentedAt) : MemoryManager<byte>
{
    private int _pins;
    private int _returned;

    public long Id => id;

    public string RentedAt => rentedAt is null ? "" : $" It was rented{Environment.NewLine}{rentedAt}";

    public override Span<byte> GetSpan()
    {
        ThrowIfReturned();
        return array;
    }

    public override unsafe MemoryHandle Pin(int elementIndex = 0)
    {
        ThrowIfReturned();
        ArgumentOutOfRangeException.ThrowIfNegative(elementIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(elementIndex, array.Length);
        Interlocked.Increment(ref _pins);
        var handle = GCHandle.Alloc(array, GCHandleType.Pinned);
        return new MemoryHandle((byte*)handle.AddrOfPinnedObject() + elementIndex, handle, this);
    }

    public override void Unpin() => Interlocked.Decrement(ref _pins);

    public override string ToString() => $"Block {id} of {array.Length} bytes";

    protected override bool TryGetArray(out ArraySegment<byte> segment)
    {
        ThrowIfReturned();
        segment = array;
        return true;
    }

    protected override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref _returned, 1) != 0)
            throw Violation($"{this} was returned twice.");

        bool pinned = Volatile.Read(ref _pins) > 0;
        pool.Return(this, array);
        if (pinned)
            throw Violation($"{this} was returned while an operation had it pinned.");
    }

    private void ThrowIfReturned()
    {
        if (Volatile.Read(ref _returned) == 0)
            return;
        var violation = Violation($"{this} was used after it was returned.");
        throw new ObjectDisposedException(violation.Message, violation);
    }

    private BufferViolationException Violation(string what)
    {
        string message = what + RentedAt;
        pool.Report(message);
        return new BufferViolationException([message]);
    }
}
