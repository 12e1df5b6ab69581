namespace Peregrine;

/// <summary>What an endpoint has received, sent and dropped since its start. Nothing is lost on this side that is not in it.</summary>
/// <remarks>Safe to use from any thread. A reader may see one number of a batch before another.</remarks>
public sealed class DatagramCounters
{
    private readonly long[] _dropped = new long[Enum.GetValues<DatagramDropReason>().Length];
    private long _received;
    private long _receivedBytes;
    private long _sent;
    private long _sentBytes;

    /// <summary>Datagrams that were received from the kernel, those included that were dropped later.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>The bytes of their payloads.</summary>
    public long ReceivedBytes => Interlocked.Read(ref _receivedBytes);

    /// <summary>Datagrams that the kernel took to send.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>The bytes of their payloads.</summary>
    public long SentBytes => Interlocked.Read(ref _sentBytes);

    /// <summary>Datagrams that were dropped for a reason.</summary>
    public long GetDropped(DatagramDropReason reason) => Interlocked.Read(ref _dropped[(int)reason]);

    /// <summary>Counts datagrams that were received.</summary>
    public void AddReceived(int datagrams, long bytes)
    {
        Interlocked.Add(ref _received, datagrams);
        Interlocked.Add(ref _receivedBytes, bytes);
    }

    /// <summary>Counts datagrams that the kernel took to send.</summary>
    public void AddSent(int datagrams, long bytes)
    {
        Interlocked.Add(ref _sent, datagrams);
        Interlocked.Add(ref _sentBytes, bytes);
    }

    /// <summary>Counts datagrams that are dropped.</summary>
    public void AddDropped(DatagramDropReason reason, long datagrams = 1) => Interlocked.Add(ref _dropped[(int)reason], datagrams);
}
