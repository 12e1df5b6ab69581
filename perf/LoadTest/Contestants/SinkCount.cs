namespace Peregrine.LoadTest.Contestants;

/// <summary>
/// What the sink of this process has received: bytes, or datagrams. It is asked for over standard input, not answered to the peer's FIN, because DotNetty cannot send
/// after a FIN.
/// </summary>
internal static class SinkCount
{
    private static long _received;

    public static long Received => Interlocked.Read(ref _received);

    // Counted before the connection is closed, so that the client asks when it has seen the close.
    public static void Add(long count) => Interlocked.Add(ref _received, count);
}
