using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Peregrine.Features;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.EventLoops;

/// <summary>
/// A connected socket on an event loop: system calls on its descriptor, first without waiting; what must wait is completed by the loop when the
/// kernel tells that it can go on. It is added to the loop at the first wait, for writing at the first that waits for room: most connections
/// never do, and are not told of it then.
/// </summary>
/// <remarks>Whoever owns it releases it: there is no finalizer.</remarks>
internal sealed partial class LoopSocket : LoopTarget
{
    private const uint ReadEvents = EpollSet.Readable | EpollSet.PeerClosed | EpollSet.Urgent;

    private readonly Loop _loop;
    private readonly SocketAddressBytes _peer;
    private IStreamSocketCompletions _completions = null!;
    private CountedDescriptor _descriptor;
    private Readiness _read;
    private Readiness _write;
    private PeerEnding _ending;
    private SendAllowance _allowance;

    // Of the receiving flow, or of the loop while that waits.
    private IReceiveBuffer? _receiving;
    private bool _isDrained;

    // A receive of a Unix domain socket also ends early where descriptors are passed (unix(7)).
    private volatile bool _mayHideMore;

    // Of the sending flow, or of the loop while that waits.
    private ReadOnlyMemory<byte> _sending;

    // Written under the lock of this object.
    private uint _registered;
    private Socket? _socket;

    private uint _gone;
    private int _watch;

    /// <param name="descriptor">Connected, not blocking; belongs to the socket from here on.</param>
    /// <param name="peer">The peer's address as accept(2) gave it.</param>
    /// <param name="isTcp">Whether it is a TCP socket, and not a Unix domain socket.</param>
    /// <param name="loop">Where its waits are completed.</param>
    /// <param name="origin">Whose it is.</param>
    public LoopSocket(int descriptor, SocketAddressBytes peer, bool isTcp, Loop loop, LoopOrigin origin)
        : base(origin)
    {
        _descriptor = new CountedDescriptor(descriptor);
        _peer = peer;
        _loop = loop;
        IsTcp = isTcp;
        _allowance = new SendAllowance(UnsentBound);
        _mayHideMore = !isTcp;
    }

    public bool IsTcp { get; }

    private int UnsentBound => IsTcp ? Origin.UnsentBound : 0;

    public void SetCompletions(IStreamSocketCompletions completions) => _completions = completions;

    public IoResult TryReceive(Span<byte> buffer)
    {
        _read.Forget();
        return ReceiveNow(buffer);
    }

    /// <summary>See <see cref="IStreamSocket.Receive"/>. After a receive that did not fill its buffer there is nothing to receive until the loop tells.</summary>
    public bool Receive(IReceiveBuffer buffer, out IoResult result)
    {
        while (true)
        {
            if (!_isDrained || _mayHideMore)
            {
                _read.Forget();
                result = ReceiveNow(buffer);
                if (!result.IsWouldBlock)
                {
                    return true;
                }
            }

            if (!TryRegister(ReadEvents, out result))
            {
                return true;
            }

            _receiving = buffer;
            if (_read.TryWait())
            {
                return IsOver(ref _read, ref result);
            }

            _isDrained = false;
        }
    }

    public IoResult TrySend(ReadOnlySpan<byte> data)
    {
        if (!_descriptor.TryEnter(out var number))
        {
            return IoResult.Released;
        }

        var isCut = !_allowance.Covers(data.Length) && TryCut(number, ref data);
        var result = SocketCalls.Send(number, data, isCut);
        _allowance.Take(result.Bytes);
        Exit(number);
        return result.IsError ? _ending.Reported(result) : result;
    }

    /// <summary>See <see cref="IStreamSocket.Send"/>.</summary>
    public bool Send(ReadOnlyMemory<byte> data, out IoResult result)
    {
        while (true)
        {
            _write.Forget();
            result = TrySend(data.Span);
            if (!result.IsWouldBlock)
            {
                return true;
            }

            if (!TryRegister(EpollSet.Writable, out result))
            {
                return true;
            }

            _sending = data;
            if (_write.TryWait())
            {
                return IsOver(ref _write, ref result);
            }
        }
    }

    public IoResult TrySendFile(SafeFileHandle file, long offset, int count)
    {
        if (!_descriptor.TryEnter(out var number))
        {
            return IoResult.Released;
        }

        try
        {
            var result = FileTransfer.TrySend(number, file, offset, count);
            _allowance.Take(result.Bytes);
            return _ending.Sent(new Asked(this, number), result, isPart: result.Bytes < count);
        }
        catch (ObjectDisposedException)
        {
            return IoResult.Released; // The file.
        }
        finally
        {
            Exit(number);
        }
    }

    public void ShutdownSend()
    {
        _ending.FinSent = true;
        if (_descriptor.TryEnter(out var number))
        {
            SocketCalls.ShutdownSend(number);
            Exit(number);
        }
    }

    /// <summary>The last call that is inside closes the socket; those that wait end on the thread pool.</summary>
    public void Release(bool reset)
    {
        if (reset && _descriptor.TryEnter(out var number))
        {
            SocketCalls.ResetAtClose(number);
            Exit(number);
        }

        var isLast = _descriptor.Release(out number, out var isFirst);
        if (isFirst)
        {
            Interlocked.Exchange(ref _watch, WatchEnded);

            // The release is a full barrier, and so is the beginning of a wait: who begins one sees the release, or it is seen here. What the
            // loop has taken is completed by the loop.
            if (_read.TryAbort())
            {
                ThreadPool.UnsafeQueueUserWorkItem(static socket => socket.EndAbortedReceive(), this, preferLocal: false);
            }

            if (_write.TryAbort())
            {
                ThreadPool.UnsafeQueueUserWorkItem(static socket => socket.EndAbortedSend(), this, preferLocal: false);
            }
        }

        if (isLast)
        {
            Close(number);
        }
    }

    /// <summary>The allowance does not cover it: cuts it to what the peer has room for, and a little more. False if that is all.</summary>
    private bool TryCut(int number, ref ReadOnlySpan<byte> data)
    {
        var length = _allowance.Renew(data.Length, UnsentBound, RoomOf(number));
        var isCut = length < data.Length;
        data = data[..(int)length];
        return isCut;
    }

    /// <summary>
    /// An operation has begun to wait. True if the socket was released before that and the caller ends it, with the result; false if its
    /// completion follows.
    /// </summary>
    private bool IsOver(ref Readiness direction, ref IoResult result)
    {
        if (!_descriptor.IsReleased || !direction.TryTake())
        {
            return false; // Not released, or whoever released it, or the loop, was faster.
        }

        result = IoResult.Released;
        return true;
    }

    private IoResult ReceiveNow(IReceiveBuffer buffer)
    {
        var result = ReceiveNow(buffer.Rent());
        if (result.Bytes == 0)
        {
            buffer.Return();
        }

        return result;
    }

    private IoResult ReceiveNow(Span<byte> buffer)
    {
        if (buffer.IsEmpty || !_descriptor.TryEnter(out var number))
        {
            return IoResult.Released;
        }

        var result = SocketCalls.Receive(number, buffer);
        if (result.Bytes > 0)
        {
            _isDrained = result.Bytes < buffer.Length;
        }
        else if (result.IsWouldBlock)
        {
            _isDrained = true;
        }
        else
        {
            result = _ending.Received(new Asked(this, number), result);
        }

        Exit(number);
        return result;
    }

    /// <summary>Adds the descriptor to the loop's set, once, and again for writing. False if that fails, or it is released.</summary>
    private bool TryRegister(uint events, out IoResult failure)
    {
        failure = default;
        if ((Volatile.Read(ref _registered) & events) == events)
        {
            return true;
        }

        if (!_descriptor.TryEnter(out var number))
        {
            failure = IoResult.Released;
            return false;
        }

        lock (this)
        {
            var wanted = _registered | ReadEvents | events;
            if (_registered == 0)
            {
                _loop.Table.Add(number, this);
                failure = new IoResult(0, _loop.Set.Add(number, wanted, LoopTable.DataOf(number, this)));
            }
            else if (_registered != wanted)
            {
                failure = new IoResult(0, _loop.Set.Modify(number, wanted, LoopTable.DataOf(number, this)));
            }

            if (failure.Error == SocketError.Success)
            {
                Volatile.Write(ref _registered, wanted);
            }
        }

        Exit(number);
        return failure.Error == SocketError.Success;
    }

    private void Exit(int number)
    {
        if (_descriptor.Exit())
        {
            Close(number);
        }
    }

    /// <summary>Nobody is inside, and nobody will be.</summary>
    private void Close(int number)
    {
        // Before the number is free: an event that is still on its way finds nobody, and a new target with that number is not removed.
        _loop.Table.Remove(number, this);
        _socket?.Dispose();
        SocketCalls.Close(number);
    }

    private readonly struct Asked(LoopSocket socket, int number) : IEndingSocket
    {
        private const byte TcpClose = 7; // TCP_CLOSE

        public bool IsClosed
        {
            get
            {
                Span<byte> state = stackalloc byte[1];
                return socket.IsTcp && SocketCalls.TryGetTcpInfo(number, ref state) && state[0] == TcpClose;
            }
        }

        public int TakeError() => SocketCalls.TakeError(number);
    }
}
