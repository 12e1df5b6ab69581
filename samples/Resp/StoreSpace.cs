namespace Resp;

/// <summary>What all keys and values take together, and may take.</summary>
internal sealed class StoreSpace(int maxKeys, long maxBytes)
{
    /// <summary>What an entry takes beside its bytes: two arrays and a place in a dictionary, about.</summary>
    public const int PerKey = 96;

    private long _bytes;
    private int _keys;

    public long Bytes => Volatile.Read(ref _bytes);

    public int Keys => Volatile.Read(ref _keys);

    public long MaxBytes => maxBytes;

    /// <summary>Takes what a change needs. False if it is more than there is; what is given back is always taken.</summary>
    public bool TryTake(int keys, long bytes)
    {
        if (keys != 0)
        {
            if (Interlocked.Add(ref _keys, keys) > maxKeys && keys > 0)
            {
                Interlocked.Add(ref _keys, -keys);
                return false;
            }

            bytes += (long)keys * PerKey;
        }

        if (bytes != 0 && Interlocked.Add(ref _bytes, bytes) > maxBytes && bytes > 0)
        {
            Interlocked.Add(ref _bytes, -bytes);
            Interlocked.Add(ref _keys, -keys);
            return false;
        }

        return true;
    }
}
