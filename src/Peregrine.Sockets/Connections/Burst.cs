namespace Peregrine.Sockets.Connections;

/// <summary>Counts what one connection got done without a wait, so that it gives its thread to the others in between.</summary>
internal struct Burst
{
    private const int MostOperations = 64;
    private const int MostBytes = 1 << 20;

    private int _operations;
    private int _bytes;

    public readonly bool IsOver => _operations >= MostOperations || _bytes >= MostBytes;

    public void Add(int bytes)
    {
        _operations++;
        _bytes += Math.Min(bytes, MostBytes);
    }
}
