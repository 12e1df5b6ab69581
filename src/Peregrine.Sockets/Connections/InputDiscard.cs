namespace Peregrine.Sockets.Connections;

/// <summary>
/// The reading half of a graceful close: receives and discards until the peer's FIN. Were the socket released with bytes unread, or did
/// bytes arrive after it, the kernel would answer with a reset, and the peer would lose what it has not read yet.
/// </summary>
internal sealed class InputDiscard<TSocket>
    where TSocket : struct, IStreamSocket
{
    // Shared by all, at once too: nobody reads what is received here.
    private static readonly byte[] Scratch = new byte[16 * 1024];

    private readonly TSocket _socket;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long _limit;
    private long _bytes;

    public InputDiscard(TSocket socket, long limitInBytes)
    {
        _socket = socket;
        _limit = limitInBytes;
    }

    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Completes at the peer's FIN, at the limit, or when the socket fails or is aborted.</summary>
    public Task Ended => _ended.Task;

    public void Run()
    {
        // A peer that never stops sending is ended by the total time of the close; the loop gives up its thread in between.
        for (var i = 0; i < 64; i++)
        {
            if (!_socket.Receive(Scratch, out var received) || !Discarded(received))
            {
                return;
            }
        }

        ThreadPool.UnsafeQueueUserWorkItem(static discard => discard.Run(), this, preferLocal: false);
    }

    public void OnReceived(IoResult result)
    {
        if (Discarded(result))
        {
            Run();
        }
    }

    /// <summary>False if that was the end.</summary>
    private bool Discarded(IoResult received)
    {
        Volatile.Write(ref _bytes, _bytes + received.Bytes);
        if (received.Bytes > 0 && _bytes <= _limit)
        {
            return true;
        }

        _ended.TrySetResult();
        return false;
    }
}
