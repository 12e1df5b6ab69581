using System.Net.Sockets;
using Microsoft.Extensions.ObjectPool;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Connections;

/// <content>What it keeps, and the receive that waits.</content>
internal readonly partial struct SaeaStreamSocket
{
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
                _receiving.Return();
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
}
