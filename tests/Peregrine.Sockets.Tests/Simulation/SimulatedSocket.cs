using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Peregrine.Sockets.Connections;

namespace Peregrine.Sockets.Tests.Simulation;

/// <summary>The simulated socket behind the seam.</summary>
internal readonly struct SimulatedStreamSocket(SimulatedSocket socket) : IStreamSocket
{
    public int? Unacknowledged => socket.Unacknowledged;

    public long? Acknowledged => null;

    public void SetCompletions(IStreamSocketCompletions completions) => socket.Completions = completions;

    public IoResult TryReceive(Span<byte> buffer) => socket.TryReceive(buffer);

    public bool Receive(IReceiveBuffer buffer, out IoResult result) => socket.Receive(buffer, out result);

    public IoResult TrySend(ReadOnlySpan<byte> data) => socket.TrySend(data);

    public bool Send(ReadOnlyMemory<byte> data, out IoResult result) => socket.Send(data, out result);

    public IoResult TrySend(BufferSegment first) => socket.TrySend(first);

    public IoResult TrySendFile(SafeFileHandle file, long offset, int count) => socket.TrySendFile(file, offset, count);

    public void WatchPeer() => socket.WatchPeer();

    public void ShutdownSend() => socket.ShutdownSend();

    public void Abort() => socket.Abort();

    public void Dispose() => socket.Dispose();
}

/// <summary>
/// One end of a simulated connection. Each operation moves a part, would block, completes at once or later, as the network's seed decides;
/// the kernel between the ends holds few bytes; a reset is reported once, as Linux does, and looks like an end of stream after that.
/// </summary>
internal sealed class SimulatedSocket
{
    private readonly SimulatedNetwork _network;
    private readonly Lock _lock;
    private readonly Queue<byte> _received = new();
    private readonly int _capacity;
    private SimulatedSocket _peer = null!;
    private bool _finReceived;
    private bool _finSent;
    private bool _released;
    private bool _reset;
    private bool _resetReported;
    private bool _watched;
    private IReceiveBuffer? _receiving;
    private bool _receivePosted;
    private ReadOnlyMemory<byte>? _sending;
    private bool _sendPosted;

    private SimulatedSocket(SimulatedNetwork network, Lock pairLock, int capacity)
    {
        _network = network;
        _lock = pairLock;
        _capacity = capacity;
    }

    /// <summary>What is on its way is with the peer's kernel at once.</summary>
    public int? Unacknowledged => _released ? null : 0;

    public IStreamSocketCompletions Completions { get; set; } = null!;

    /// <param name="network">Decides what happens when.</param>
    /// <param name="capacity">How many bytes each direction holds; by default few, as the seed decides.</param>
    public static (SimulatedSocket First, SimulatedSocket Second) CreatePair(SimulatedNetwork network, int capacity = 0)
    {
        var pairLock = new Lock();
        if (capacity == 0)
        {
            capacity = 1 + network.Next(network.Next(2) == 0 ? 16 : 2_000);
        }

        var first = new SimulatedSocket(network, pairLock, capacity);
        var second = new SimulatedSocket(network, pairLock, capacity) { _peer = first };
        first._peer = second;
        return (first, second);
    }

    public IoResult TryReceive(Span<byte> buffer)
    {
        lock (_lock)
        {
            Assert.True(_receiving is null, "A receive was tried while another was pending: their bytes may change places.");
            return OneIn(16) && !_released ? IoResult.WouldBlock : ReceiveLocked(buffer);
        }
    }

    public bool Receive(IReceiveBuffer buffer, out IoResult result)
    {
        lock (_lock)
        {
            Assert.True(_receiving is null, "A second receive was started while one was pending.");
        }

        if (OneIn(2))
        {
            result = ReceiveInto(buffer);
            if (!result.IsWouldBlock)
            {
                return true;
            }
        }

        lock (_lock)
        {
            _receiving = buffer;
            result = default;
            PostReceiveLocked(this);
            return false;
        }
    }

    public IoResult TrySend(ReadOnlySpan<byte> data)
    {
        lock (_lock)
        {
            Assert.Null(_sending);
            return OneIn(8) && !_released ? IoResult.WouldBlock : SendLocked(data);
        }
    }

    /// <summary>A part of the chain, which may end in any of its blocks.</summary>
    public IoResult TrySend(BufferSegment first)
    {
        var data = new List<byte>();
        for (var segment = first; segment is not null; segment = segment.NextSegment)
        {
            data.AddRange(segment.Unsent.Span);
        }

        return TrySend(data.ToArray());
    }

    public IoResult TrySendFile(SafeFileHandle file, long offset, int count)
    {
        if (OneIn(4))
        {
            return new IoResult(0, SocketError.OperationNotSupported);
        }

        var part = new byte[count];
        return TrySend(part.AsSpan(0, RandomAccess.Read(file, part, offset)));
    }

    public bool Send(ReadOnlyMemory<byte> data, out IoResult result)
    {
        lock (_lock)
        {
            Assert.True(_sending is null, "A second send was started while one was pending.");
            if (OneIn(2))
            {
                result = SendLocked(data.Span);
                if (!result.IsWouldBlock)
                {
                    return true;
                }
            }

            _sending = data;
            result = default;
            PostSendLocked(this);
            return false;
        }
    }

    public void WatchPeer()
    {
        lock (_lock)
        {
            _watched = true;
            PostReceiveLocked(this);
        }
    }

    public void ShutdownSend()
    {
        lock (_lock)
        {
            if (!_finSent && !_released && !_reset)
            {
                Assert.True(_sending is null, "FIN was sent before the data in front of it.");
                _finSent = true;
                _peer._finReceived = true;
                PostReceiveLocked(_peer);
            }
        }
    }

    public void Abort()
    {
        lock (_lock)
        {
            if (!_released)
            {
                ReleaseLocked(reset: true);
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (!_released)
            {
                // As the kernel does: with bytes unread, the peer gets a reset instead of an end.
                ReleaseLocked(reset: _received.Count > 0 || !_finSent);
            }
        }
    }

    private void ReleaseLocked(bool reset)
    {
        _released = true;
        _received.Clear();
        PostReceiveLocked(this);
        PostSendLocked(this);
        if (reset && !_peer._released)
        {
            // What was on its way is lost; what the peer's kernel has received may still be read.
            _peer._reset = true;
            PostReceiveLocked(_peer);
        }

        PostSendLocked(_peer);
    }

    private IoResult SendLocked(ReadOnlySpan<byte> data)
    {
        if (_released)
        {
            return IoResult.Released;
        }

        if (TakeResetLocked(out var error))
        {
            return error;
        }

        if (_reset || _finSent)
        {
            return new IoResult(0, SocketError.Shutdown);
        }

        if (_peer._released)
        {
            // The peer's kernel answers with a reset.
            _reset = true;
            PostReceiveLocked(this);
            return new IoResult(data.Length, SocketError.Success);
        }

        var room = Math.Min(data.Length, _capacity - _peer._received.Count);
        if (room <= 0 && data.Length > 0)
        {
            return IoResult.WouldBlock;
        }

        var count = data.Length == 0 ? 0 : Part(room);
        foreach (var value in data[..count])
        {
            _peer._received.Enqueue(value);
        }

        PostReceiveLocked(_peer);
        return new IoResult(count, SocketError.Success);
    }

    private bool TakeResetLocked(out IoResult error)
    {
        // Linux makes EPIPE of a reset that comes after a FIN, and reports it to sends only.
        error = new IoResult(0, _finReceived ? SocketError.Shutdown : SocketError.ConnectionReset);
        if (!_reset || _resetReported)
        {
            return false;
        }

        _resetReported = true;
        return true;
    }

    /// <summary>Now and then an error that is behind the bytes comes with them. Rents outside the lock: what finds no buffer aborts the connection.</summary>
    private IoResult ReceiveInto(IReceiveBuffer buffer)
    {
        IoResult result;
        var room = buffer.Rent();
        lock (_lock)
        {
            if (room.IsEmpty)
            {
                Assert.True(_released, "There is no buffer, and the connection goes on.");
                return IoResult.Released;
            }

            result = ReceiveLocked(room);
            if (result.Bytes > 0 && _received.Count == 0 && !_finReceived && OneIn(2) && TakeResetLocked(out var behind))
            {
                result = result with { Error = behind.Error };
            }
        }

        if (result.Bytes == 0)
        {
            buffer.Return();
        }

        return result;
    }

    private IoResult ReceiveLocked(Span<byte> buffer)
    {
        if (_released)
        {
            return IoResult.Released;
        }

        if (_received.Count > 0)
        {
            var count = Part(Math.Min(buffer.Length, _received.Count));
            for (var i = 0; i < count; i++)
            {
                buffer[i] = _received.Dequeue();
            }

            PostSendLocked(_peer);
            return new IoResult(count, SocketError.Success);
        }

        if (!_finReceived && TakeResetLocked(out var error))
        {
            return error;
        }

        return _finReceived || _reset ? new IoResult(0, SocketError.Success) : IoResult.WouldBlock;
    }

    private static void PostReceiveLocked(SimulatedSocket socket)
    {
        if (socket._watched && !socket._released && (socket._finReceived || socket._reset))
        {
            socket._watched = false;
            var isReset = socket._reset;
            socket._network.Post(() => socket.Completions.OnPeerGone(isReset));
        }

        if (socket._receiving is not null && !socket._receivePosted)
        {
            socket._receivePosted = true;
            socket._network.Post(socket.CompleteReceive);
        }
    }

    private void CompleteReceive()
    {
        IReceiveBuffer? buffer;
        lock (_lock)
        {
            _receivePosted = false;
            buffer = _receiving;
        }

        if (buffer is null)
        {
            return; // Posted again while it was at work.
        }

        var result = ReceiveInto(buffer);
        if (result.IsWouldBlock)
        {
            return; // The peer posts it again when it has sent.
        }

        lock (_lock)
        {
            _receiving = null;
        }

        Completions.OnReceived(result);
    }

    private static void PostSendLocked(SimulatedSocket socket)
    {
        if (socket._sending is not null && !socket._sendPosted)
        {
            socket._sendPosted = true;
            socket._network.Post(socket.CompleteSend);
        }
    }

    private void CompleteSend()
    {
        IoResult result;
        lock (_lock)
        {
            _sendPosted = false;
            result = SendLocked(_sending!.Value.Span);
            if (result.IsWouldBlock)
            {
                return; // The peer posts it again when it has received.
            }

            _sending = null;
        }

        Completions.OnSent(result);
    }

    private bool OneIn(int chances) => _network.Next(chances) == 0;

    private int Part(int most) => OneIn(2) ? most : 1 + _network.Next(most);
}
