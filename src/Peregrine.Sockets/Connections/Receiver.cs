using System.Diagnostics.CodeAnalysis;

namespace Peregrine.Sockets.Connections;

/// <summary>
/// Receives into a reader's chain of blocks: without a wait, straight into a block; with one, into a few bytes of its own, which are most
/// small messages, and what is more than that when it is there. So a wait holds no block.
/// </summary>
internal struct Receiver<TSocket>
    where TSocket : struct, IStreamSocket
{
    private readonly TSocket _socket;
    private readonly StreamConnection<TSocket> _connection;
    private readonly StreamSettings _settings;
    private ReceiveChain _chain;
    private ReceiveSize _size;
    private WaitBuffer _early;
    private int _earlyTaken;
    private long _bytes;

    public Receiver(TSocket socket, StreamConnection<TSocket> connection, StreamSettings settings)
    {
        _socket = socket;
        _connection = connection;
        _settings = settings;
    }

    /// <summary>What is received and not consumed. It is the reader's; here it grows.</summary>
    [UnscopedRef]
    public ref ReceiveChain Chain => ref _chain;

    public readonly long Bytes => Volatile.Read(in _bytes);

    /// <summary>The last receive did not fill its buffer: there is most likely nothing more now.</summary>
    public bool IsDrained { get; private set; }

    /// <summary>Receives once, without waiting.</summary>
    public IoResult TryReceive() => TryReceive(_chain.Room(_settings.Pool, _settings.MinimumReceiveSizeInBytes, _size.Of(_settings)), arrived: 0);

    /// <summary>Receives, waiting; what arrives is taken by <see cref="Take"/>. As <see cref="IStreamSocket.Receive"/>.</summary>
    public bool Receive(out IoResult result) => _socket.Receive(_early.Get(_settings), out result);

    /// <summary>
    /// Moves the bytes that a wait has brought into the chain, and receives what is behind them. May throw what the pool throws, and loses
    /// nothing then: it can be called again.
    /// </summary>
    /// <returns>What was behind them: nothing, or an error, which the socket will not report again.</returns>
    public IoResult Take(int arrived)
    {
        BufferSegment segment;
        do
        {
            segment = _chain.Room(_settings.Pool, _settings.MinimumReceiveSizeInBytes, _size.Of(_settings));
            var part = _early.Span.Slice(_earlyTaken, Math.Min(arrived - _earlyTaken, segment.FreeLength));
            part.CopyTo(segment.Free.Span);
            _chain.Received(segment, part.Length);
            _earlyTaken += part.Length;
        }
        while (_earlyTaken < arrived);

        _earlyTaken = 0;
        Count(arrived);
        IsDrained = arrived < _early.Length;
        _early.Note(_settings, arrived);
        return IsDrained || segment.FreeLength == 0 ? IoResult.WouldBlock : TryReceive(segment, arrived);
    }

    /// <param name="segment">Into its free part.</param>
    /// <param name="arrived">What a wait has brought of the same bytes.</param>
    private IoResult TryReceive(BufferSegment segment, int arrived)
    {
        var free = segment.Free.Span;
        var result = _socket.TryReceive(free);
        _chain.Received(segment, result.Bytes);
        IsDrained = result.Bytes < free.Length;
        if (result.Bytes > 0)
        {
            _size.Note(_settings, result.Bytes, free.Length, arrived);
            Count(result.Bytes);
        }

        return result;
    }

    private void Count(int bytes)
    {
        Volatile.Write(ref _bytes, _bytes + bytes);
        _connection.Burst.Add(bytes); // After what it stands for.
    }
}
