namespace Resp;

/// <summary>Numbers for connections, and how many there are.</summary>
internal sealed class Clients
{
    private long _lastId;
    private int _connected;

    public long Accepted => Volatile.Read(ref _lastId);

    public int Connected => Volatile.Read(ref _connected);

    public long Add()
    {
        Interlocked.Increment(ref _connected);
        return Interlocked.Increment(ref _lastId);
    }

    public void Remove() => Interlocked.Decrement(ref _connected);
}
