using System.Diagnostics.CodeAnalysis;

namespace Peregrine.Sockets.Connections;

/// <summary>
/// Receives into a reader's chain of blocks: without a wait, straight into its last block or a new one; with one, into a block that is rented when
/// something is there. So a wait holds no block.
/// </summary>
internal struct Receiver<TSocket>
    where TSocket : struct, IStreamSocket
{
    private readonly TSocket _socket;
    private readonly StreamConnection<TSocket> _connection;
    private ReceiveChain _chain;
    private ReceiveSize _size;
    private BufferSegment? _rented;
    private long _bytes;

    public Receiver(TSocket socket, StreamConnection<TSocket> connection)
    {
        _socket = socket;
        _connection = connection;
    }

    /// <summary>What is received and not consumed. It is the reader's; here it grows.</summary>
    [UnscopedRef]
    public ref ReceiveChain Chain => ref _chain;

    public readonly long Bytes => Volatile.Read(in _bytes);

    /// <summary>The size of the block that a wait has brought and nobody has taken. May be read from any thread, and is a little old then.</summary>
    public readonly int RentedBytes => _rented?.BlockLength ?? 0;

    /// <summary>The last receive did not fill its buffer: there is most likely nothing more now.</summary>
    public bool IsDrained { get; private set; }

    private readonly StreamSettings Settings => _connection.Settings;

    /// <summary>Receives once, without waiting.</summary>
    public IoResult TryReceive()
    {
        var segment = _chain.Room(Settings.Pool, Settings.MinimumReceiveSizeInBytes, _size.Of(Settings));
        var free = segment.Free.Span;
        var result = _socket.TryReceive(free);
        _chain.Received(segment, result.Bytes);
        IsDrained = result.Bytes < free.Length;
        if (result.Bytes > 0)
        {
            _size.Note(Settings, result.Bytes, free.Length);
            Count(result.Bytes);
        }

        return result;
    }

    /// <summary>Receives, waiting; what arrives is taken by <see cref="Take"/>. As <see cref="IStreamSocket.Receive"/>.</summary>
    public readonly bool Receive(IReceiveBuffer buffer, out IoResult result) => _socket.Receive(buffer, out result);

    /// <summary>A block for what a wait brings. It is not the chain's yet, which belongs to the flow. May throw what the pool throws.</summary>
    public Span<byte> Rent()
    {
        _rented = BufferSegment.Rent(Settings.Pool, Math.Min(_size.Of(Settings), Settings.Pool.MaxBufferSize));
        return _rented.Free.Span;
    }

    /// <summary>Gives that block back, if there is one: a completion and the end of the reader may both find it.</summary>
    public void Return() => Interlocked.Exchange(ref _rented, null)?.Return();

    /// <summary>Moves the bytes that a wait has brought into the chain.</summary>
    public void Take(int bytes)
    {
        var segment = _rented!;
        _rented = null;
        var free = segment.FreeLength;
        IsDrained = bytes < free;
        _chain.Append(segment, bytes);
        _size.Note(Settings, bytes, free);
    }

    /// <summary>Counts what was received: of a wait, when it has come, and not when it is taken.</summary>
    public void Count(int bytes)
    {
        Volatile.Write(ref _bytes, _bytes + bytes);
        _connection.Burst.Add(bytes); // After what it stands for.
    }
}
