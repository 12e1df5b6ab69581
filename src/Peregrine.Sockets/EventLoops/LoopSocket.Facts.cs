using System.Net;
using System.Net.Sockets;
using Peregrine.Features;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.EventLoops;

/// <content>What is told of the socket, and not through it.</content>
internal sealed partial class LoopSocket : IConnectedSocket
{
    private const int WatchWanted = 1;
    private const int WatchEnded = 2;

    private static readonly IPEndPoint AnyIPEndPoint = new(IPAddress.Any, 0);
    private static readonly UnixDomainSocketEndPoint AnyUnixEndPoint = new("/");

    /// <summary>See <see cref="IStreamSocket.Unacknowledged"/>.</summary>
    public int? Unacknowledged
    {
        get
        {
            if (!IsTcp || !_descriptor.TryEnter(out var number))
            {
                return null;
            }

            // The kernel goes on counting what a reset left unacknowledged, and after the peer's FIN nothing else tells of the reset.
            var bytes = SocketCalls.Unacknowledged(number);
            if (bytes > 0 && new Asked(this, number).IsClosed)
            {
                bytes = 0;
            }

            Exit(number);
            return bytes;
        }
    }

    /// <summary>See <see cref="IStreamSocket.Acknowledged"/>.</summary>
    public long? Acknowledged
    {
        get
        {
            if (!IsTcp || !_descriptor.TryEnter(out var number))
            {
                return null;
            }

            Span<byte> raw = stackalloc byte[TcpInformation.Size];
            var bytes = SocketCalls.TryGetTcpInfo(number, ref raw) ? TcpInformation.Acknowledged(raw) : null;
            Exit(number);
            return bytes;
        }
    }

    /// <summary>What the peer's window has room for, less what the kernel holds for it; null where that cannot be told.</summary>
    private static long? RoomOf(int number)
    {
        Span<byte> raw = stackalloc byte[TcpInformation.Size];
        return SocketCalls.TryGetTcpInfo(number, ref raw) && TcpInformation.Window(raw) is { } window ? window - SocketCalls.Unacknowledged(number) : null;
    }

    /// <summary>
    /// The runtime's socket, made when somebody asks for it, of a second descriptor: it can be disposed like any other, which does not end the
    /// connection, and the connection's end disposes it.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The connection is released.</exception>
    /// <exception cref="SocketException">Descriptors are short.</exception>
    public Socket Socket
    {
        get
        {
            if (Volatile.Read(ref _socket) is { } made)
            {
                return made;
            }

            ObjectDisposedException.ThrowIf(!_descriptor.TryEnter(out var number), typeof(Socket));
            try
            {
                lock (this)
                {
                    return _socket ??= Make(number);
                }
            }
            finally
            {
                Exit(number);
            }
        }
    }

    /// <summary>SO_SNDBUF (socket(7)). Without effect on a connection that is gone.</summary>
    public void SetSendBufferSize(int bytes)
    {
        if (_descriptor.TryEnter(out var number))
        {
            SocketCalls.SetSendBufferSize(number, bytes);
            Exit(number);
        }
    }

    public long? UnreceivedBytes
    {
        get
        {
            if (!_descriptor.TryEnter(out var number))
            {
                return null;
            }

            var bytes = SocketCalls.Unreceived(number);
            Exit(number);
            return bytes;
        }
    }

    public EndPoint? RemoteEndPoint => _peer.ToEndPoint();

    public EndPoint? LocalEndPoint
    {
        get
        {
            if (!_descriptor.TryEnter(out var number))
            {
                return null;
            }

            var address = SocketCalls.LocalAddress(number);
            Exit(number);
            return address is null ? null : (IsTcp ? (EndPoint)AnyIPEndPoint : AnyUnixEndPoint).Create(address);
        }
    }

    public bool TryGetTcpInfo(out TcpConnectionInfo info)
    {
        info = default;
        if (!IsTcp || !_descriptor.TryEnter(out var number))
        {
            return false;
        }

        Span<byte> raw = stackalloc byte[TcpInformation.Size];
        raw.Clear();
        var filled = raw;
        var queued = SocketCalls.TryGetTcpInfo(number, ref filled) ? SocketCalls.Unacknowledged(number) : null;
        Exit(number);
        if (queued is null)
        {
            return false;
        }

        info = TcpInformation.Read(raw, queued.Value);
        return true;
    }

    /// <summary>Runs work on the connection's loop.</summary>
    public void Schedule(IThreadPoolWorkItem work) => _loop.Post(work, Origin);

    /// <summary>See <see cref="IStreamSocket.WatchPeer"/>: what the loop tells of the socket anyway.</summary>
    public void WatchPeer()
    {
        // A full barrier, between the write here and the look below; the loop notes and looks the other way round: one sees the other.
        if (Interlocked.CompareExchange(ref _watch, WatchWanted, 0) == 0 && TryRegister(ReadEvents, out _) && Volatile.Read(ref _gone) != 0)
        {
            TellPeerGone();
        }
    }

    private void NoteGone(uint events)
    {
        if (events != 0)
        {
            Interlocked.Or(ref _gone, events);
            if (Volatile.Read(ref _watch) == WatchWanted)
            {
                TellPeerGone();
            }
        }
    }

    private void TellPeerGone()
    {
        // Once: the loop, another thread that had the loop before, and who begins to watch may come together, and the release, which ends it.
        if (Interlocked.CompareExchange(ref _watch, WatchEnded, WatchWanted) == WatchWanted)
        {
            // A receive may have taken the error of a reset already: the hang-up stays.
            var gone = Volatile.Read(ref _gone);
            _completions.OnPeerGone((gone & EpollSet.Error) != 0 || ((gone & EpollSet.HangUp) != 0 && !_ending.FinSent && IsTcp));
        }
    }

    private static Socket Make(int number)
    {
        var second = SocketCalls.Duplicate(number);
        if (second < 0)
        {
            throw new SocketException((int)SocketError.TooManyOpenSockets);
        }

        // The flag that it does not block belongs to both descriptors, and the runtime must know of it.
        return new Socket(new SafeSocketHandle(second, ownsHandle: true)) { Blocking = false };
    }
}
