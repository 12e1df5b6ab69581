using System.Buffers;

namespace Peregrine.Protocols;

/// <summary>A pooled array that many hold. It goes back when the last one lets go.</summary>
/// <param name="array">The array. Who makes this holds it.</param>
internal sealed class SharedBytes(byte[] array)
{
    private byte[]? _array = array;
    private int _holders = 1;

    /// <exception cref="ObjectDisposedException">Nobody holds it any more.</exception>
    public byte[] Array => _array ?? throw new ObjectDisposedException(nameof(EncodedMessage));

    /// <summary>So many holders more.</summary>
    /// <exception cref="ObjectDisposedException">Nobody holds it any more.</exception>
    public void Hold(int count = 1)
    {
        // One that has no holder left stays without: its array may be somebody else's.
        int holders;
        do
        {
            holders = Volatile.Read(ref _holders);
            ObjectDisposedException.ThrowIf(holders == 0, typeof(EncodedMessage));
        }
        while (Interlocked.CompareExchange(ref _holders, holders + count, holders) != holders);
    }

    public void Release(int count = 1)
    {
        if (count > 0 && Interlocked.Add(ref _holders, -count) == 0)
        {
            var array = Interlocked.Exchange(ref _array, null)!;
            if (array.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(array);
            }
        }
    }
}
