using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Extensions.ObjectPool;
using Microsoft.Win32.SafeHandles;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Connections;

/// <summary>The operating system's socket behind the seam: non-blocking calls first, <see cref="SocketAsyncEventArgs"/> to wait.</summary>
[SuppressMessage("Design", "CA1001", Justification = "Dispose is the seam's.")]
internal readonly partial struct SaeaStreamSocket : IStreamSocket
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
}
