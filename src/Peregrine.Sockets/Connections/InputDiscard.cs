namespace Peregrine.Sockets.Connections;

/// <summary>How the discarding of the peer's last bytes ended.</summary>
internal enum DiscardEnd
{
    /// <summary>It goes on.</summary>
    None,

    /// <summary>The peer sent its FIN.</summary>
    PeerClosed,

    /// <summary>The peer sent more than may be; nothing more is received.</summary>
    Limit,

    /// <summary>The socket failed or was released.</summary>
    Failed,
}

/// <summary>Receives and discards until the peer's FIN.</summary>
internal sealed class InputDiscard<TSocket>
    where TSocket : struct, IStreamSocket
{
    private readonly TSocket _socket;
    private readonly GracefulClose<TSocket> _close;
    private readonly long _limit;
    private long _bytes;

    public InputDiscard(TSocket socket, GracefulClose<TSocket> close, long limitInBytes)
    {
        _socket = socket;
        _close = close;
        _limit = limitInBytes;
    }

    public long Bytes => Volatile.Read(ref _bytes);

    public void Run()
    {
        // A peer that never stops sending is ended by the total time of the close; the loop gives up its thread in between.
        for (var i = 0; i < 64; i++)
        {
            if (!_socket.Receive(Scratch.Instance, out var received) || !Discarded(received))
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
        if (received.Bytes > 0 && !received.IsError && _bytes <= _limit)
        {
            return true;
        }

        _close.OnDiscarded(received.IsError ? DiscardEnd.Failed : received.Bytes == 0 ? DiscardEnd.PeerClosed : DiscardEnd.Limit);
        return false;
    }

    /// <summary>Shared by all, at once too: nobody reads what is received here.</summary>
    private sealed class Scratch : IReceiveBuffer
    {
        public static readonly Scratch Instance = new();

        private readonly byte[] _bytes = new byte[16 * 1024];

        public Span<byte> Rent() => _bytes;

        public void Return()
        {
        }
    }
}
