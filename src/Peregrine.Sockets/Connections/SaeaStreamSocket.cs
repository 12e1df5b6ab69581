using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Extensions.ObjectPool;
using Microsoft.Win32.SafeHandles;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Connections;

/// <summary>The operating system's socket behind the seam: non-blocking calls first, <see cref="SocketAsyncEventArgs"/> to wait.</summary>
[SuppressMessage("Design", "CA1001", Justification = "Dispose is the seam's.")]
internal readonly struct SaeaStreamSocket : IStreamSocket
{
    // More than that costs the runtime an array for each call.
    private const int MostGathered = 8;

    [ThreadStatic]
    private static List<ArraySegment<byte>>? t_gather;

    private readonly State _state;

    /// <param name="socket">Connected; belongs to the connection from here on.</param>
    /// <param name="sendArgs">Where the event args for a send that must wait come from.</param>
    /// <param name="settings">How much a receive that waits has room for.</param>
    public SaeaStreamSocket(Socket socket, ObjectPool<SendArgs> sendArgs, StreamSettings settings)
    {
        // Only then do Receive and Send report would-block instead of blocking.
        socket.Blocking = false;
        _state = new State(socket, sendArgs, settings);
    }

    // The kernel goes on counting what a reset left unacknowledged, and after the peer's FIN nothing else tells of the reset: a receive finds the FIN.
    public int? Unacknowledged => SendBuffer.Unacknowledged(_state.Socket) is var bytes && bytes > 0 && TcpEnding.IsClosed(_state.Socket) ? 0 : bytes;

    public long? Acknowledged => TcpInformation.Acknowledged(_state.Socket);

    public void SetCompletions(IStreamSocketCompletions completions) => _state.Completions = completions;

    public IoResult TryReceive(Span<byte> buffer) => _state.TryReceive(buffer);

    public bool Receive(IReceiveBuffer buffer, out IoResult result) => _state.Receive(buffer, out result);

    public IoResult TrySend(ReadOnlySpan<byte> data)
    {
        try
        {
            return _state.Sent(_state.Socket.Send(data, SocketFlags.None, out var error), error, data.Length);
        }
        catch (ObjectDisposedException)
        {
            return IoResult.Released;
        }
    }

    public IoResult TrySend(BufferSegment first)
    {
        if (first.NextSegment is null || !TryGather(first, t_gather ??= new(MostGathered)))
        {
            return TrySend(first.Unsent.Span);
        }

        try
        {
            var gathered = 0;
            foreach (var segment in t_gather)
            {
                gathered += segment.Count;
            }

            return _state.Sent(_state.Socket.Send(t_gather, SocketFlags.None, out var error), error, gathered);
        }
        catch (ObjectDisposedException)
        {
            return IoResult.Released;
        }
        finally
        {
            t_gather.Clear();
        }
    }

    public bool Send(ReadOnlyMemory<byte> data, out IoResult result)
    {
        var args = _state.SendArgsPool.Get();
        args.Begin(_state, data);
        try
        {
            if (_state.Socket.SendAsync(args))
            {
                result = default;
                return false;
            }

            result = args.Result;
        }
        catch (ObjectDisposedException)
        {
            result = IoResult.Released;
        }

        args.End();
        return true;
    }

    public IoResult TrySendFile(SafeFileHandle file, long offset, int count)
    {
        if (!OperatingSystem.IsLinux())
        {
            return new IoResult(0, SocketError.OperationNotSupported);
        }

        try
        {
            var sent = FileTransfer.TrySend(_state.Socket.SafeHandle, file, offset, count);
            return _state.Sent(sent.Bytes, sent.Error, count);
        }
        catch (ObjectDisposedException)
        {
            return IoResult.Released;
        }
    }

    public void WatchPeer()
    {
        if (OperatingSystem.IsLinux())
        {
            _state.WatchPeer();
        }
    }

    public void ShutdownSend()
    {
        _state.Ending.FinSent = true;
        try
        {
            _state.Socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The connection is gone already: there is nobody to send the FIN to.
        }
    }

    public void Abort()
    {
        try
        {
            _state.Socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Gone already, or being released by another thread: either way it ends.
        }

        Dispose();
    }

    public void Dispose()
    {
        _state.Socket.Dispose();

        // Or its finalizer would keep all of the connection alive for one garbage collection more.
        _state.Dispose();
        _state.EndWatch();
    }

    private static bool TryGather(BufferSegment first, List<ArraySegment<byte>> gathered)
    {
        for (var segment = first; segment is not null && gathered.Count < MostGathered; segment = segment.NextSegment)
        {
            if (segment.Length == 0)
            {
                continue;
            }

            if (!MemoryMarshal.TryGetArray(segment.Unsent, out var array))
            {
                break; // A pool of memory that is no array.
            }

            gathered.Add(array);
        }

        if (gathered.Count > 1)
        {
            return true;
        }

        gathered.Clear();
        return false;
    }

    /// <summary>
    /// One object, for a connection that waits keeps it: it is the event args of the receive, too. That needs its memory while it waits: a few bytes of
    /// the connection's own, which are most small messages, and what is more than that follows when it is there. So a wait holds no block.
    /// </summary>
    internal sealed class State(Socket socket, ObjectPool<SendArgs> sendArgsPool, StreamSettings settings)
        : SocketAsyncEventArgs(true), IThreadPoolWorkItem, IPeerWatcher
    {
        public readonly Socket Socket = socket;
        public readonly ObjectPool<SendArgs> SendArgsPool = sendArgsPool;
        public IStreamSocketCompletions Completions = null!;
        public PeerEnding Ending;
        private long _peerWatch;
        private volatile bool _released;
        private IReceiveBuffer? _receiving;

        // What a wait has brought, and nobody has taken yet.
        private WaitBuffer _early;
        private int _earlyTaken;
        private int _earlyEnd;

        public IoResult TryReceive(Span<byte> buffer) => _earlyEnd > 0 ? new IoResult(TakeEarly(buffer), SocketError.Success) : ReceiveNow(buffer);

        public bool Receive(IReceiveBuffer buffer, out IoResult result)
        {
            _receiving = buffer;
            if (_earlyEnd > 0)
            {
                result = TakeWaited();
                return true;
            }

            try
            {
                var early = _early.Get(settings);
                if (!MemoryBuffer.Equals(early))
                {
                    SetBuffer(early);
                }

                if (Socket.ReceiveAsync(this))
                {
                    result = default;
                    return false;
                }

                result = TakeCompleted();
            }
            catch (ObjectDisposedException)
            {
                result = IoResult.Released;
            }

            return true;
        }

        public void WatchPeer()
        {
            // A full barrier, between the write here and the look at the release, which does the same the other way round: one sees the other.
            Interlocked.Exchange(ref _peerWatch, PeerWatch.TryAdd(Socket, this));
            if (_released)
            {
                EndWatch();
            }
        }

        public void EndWatch()
        {
            _released = true;
            if (Interlocked.Exchange(ref _peerWatch, 0) is not 0 and var watch)
            {
                PeerWatch.Remove(watch);
            }
        }

        // A receive may have taken the error of a reset already: the hang-up stays.
        void IPeerWatcher.OnPeerGone(bool isError, bool isHangUp) =>
            Completions.OnPeerGone(isError || (isHangUp && !Ending.FinSent && Socket.ProtocolType == ProtocolType.Tcp));

        /// <summary>
        /// Runs a completion on the thread pool. In a process with the runtime's inline completions, which hold for all of its sockets, it comes on an event
        /// loop, and leaves it first.
        /// </summary>
        public static void Complete<TArgs>(TArgs args)
            where TArgs : class, IThreadPoolWorkItem
        {
            if (Thread.CurrentThread.IsThreadPoolThread)
            {
                args.Execute();
            }
            else
            {
                ThreadPool.UnsafeQueueUserWorkItem(args, preferLocal: false);
            }
        }

        protected override void OnCompleted(SocketAsyncEventArgs e) => Complete(this);

        void IThreadPoolWorkItem.Execute() => Completions.OnReceived(TakeCompleted());

        private IoResult TakeCompleted()
        {
            var result = Received(BytesTransferred, SocketError);
            if (result.Bytes == 0)
            {
                return result;
            }

            _earlyEnd = result.Bytes;
            return TakeWaited();
        }

        /// <summary>Moves what a wait has brought to where it belongs, and receives what is behind it.</summary>
        private IoResult TakeWaited()
        {
            var buffer = _receiving!.Rent();
            if (buffer.IsEmpty)
            {
                return IoResult.Released;
            }

            var wasFull = _earlyEnd == _early.Length;
            var taken = TakeEarly(buffer);
            if (!wasFull || _earlyEnd > 0 || taken == buffer.Length)
            {
                return new IoResult(taken, SocketError.Success);
            }

            var behind = ReceiveNow(buffer[taken..]);
            return new IoResult(taken + behind.Bytes, behind.IsError ? behind.Error : SocketError.Success);
        }

        private int TakeEarly(Span<byte> buffer)
        {
            var part = _early.Span[_earlyTaken.._earlyEnd];
            part = part[..Math.Min(part.Length, buffer.Length)];
            part.CopyTo(buffer);
            _earlyTaken += part.Length;
            if (_earlyTaken == _earlyEnd)
            {
                _early.Note(settings, _earlyEnd);
                (_earlyTaken, _earlyEnd) = (0, 0);
            }

            return part.Length;
        }

        private IoResult ReceiveNow(Span<byte> buffer)
        {
            try
            {
                var bytes = Socket.Receive(buffer, SocketFlags.None, out var error);
                return Received(bytes, error);
            }
            catch (ObjectDisposedException)
            {
                return IoResult.Released;
            }
        }

        public IoResult Received(int bytes, SocketError error) => Ending.Received(new Asked(Socket), new IoResult(error == SocketError.Success ? bytes : 0, error));

        /// <summary>
        /// What a send means that took so many bytes of those it was asked for. The runtime (and sendfile in the kernel) goes on until the kernel
        /// is full or there is an error, and tells of neither where some bytes went before.
        /// </summary>
        public IoResult Sent(int bytes, SocketError error, int asked) =>
            Ending.Sent(new Asked(Socket), new IoResult(bytes, bytes > 0 ? SocketError.Success : error), isPart: bytes < asked);

        /// <summary>Notes what an error says about the peer's FIN.</summary>
        public IoResult Reported(IoResult result) => Ending.Reported(result);
    }

    private readonly struct Asked(Socket socket) : IEndingSocket
    {
        public bool IsClosed => TcpEnding.IsClosed(socket);

        public int TakeError() => TcpEnding.TakeError(socket);
    }

    internal sealed class SendArgs() : SocketAsyncEventArgs(true), IThreadPoolWorkItem
    {
        private State? _state;

        public IoResult Result => _state!.Reported(new IoResult(SocketError == SocketError.Success ? BytesTransferred : 0, SocketError));

        public void Begin(State state, ReadOnlyMemory<byte> data)
        {
            Debug.Assert(_state is null);
            _state = state;
            SetBuffer(MemoryMarshal.AsMemory(data));
        }

        /// <summary>Gives the args back; the buffer is the caller's again.</summary>
        public State End()
        {
            var state = _state!;
            _state = null;
            SetBuffer(null, 0, 0);
            state.SendArgsPool.Return(this);
            return state;
        }

        protected override void OnCompleted(SocketAsyncEventArgs e) => State.Complete(this);

        void IThreadPoolWorkItem.Execute()
        {
            var result = Result;
            End().Completions.OnSent(result);
        }
    }

    internal sealed class SendArgsPolicy : PooledObjectPolicy<SendArgs>
    {
        public override SendArgs Create() => new();

        public override bool Return(SendArgs obj) => true;
    }
}
