using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;
using Peregrine.Sockets.Connections;

namespace Peregrine.Sockets.EventLoops;

/// <summary>A <see cref="LoopSocket"/> behind the seam.</summary>
[SuppressMessage("Design", "CA1001", Justification = "Dispose is the seam's.")]
internal readonly struct LoopStreamSocket(LoopSocket socket) : IStreamSocket
{
    public int? Unacknowledged => socket.Unacknowledged;

    public long? Acknowledged => socket.Acknowledged;

    public void SetCompletions(IStreamSocketCompletions completions) => socket.SetCompletions(completions);

    public IoResult TryReceive(Span<byte> buffer) => socket.TryReceive(buffer);

    public bool Receive(IReceiveBuffer buffer, out IoResult result) => socket.Receive(buffer, out result);

    public IoResult TrySend(ReadOnlySpan<byte> data) => socket.TrySend(data);

    public IoResult TrySend(BufferSegment first) => first.NextSegment is null ? socket.TrySend(first.Unsent.Span) : socket.TrySend(first);

    public bool Send(ReadOnlyMemory<byte> data, out IoResult result) => socket.Send(data, out result);

    public IoResult TrySendFile(SafeFileHandle file, long offset, int count) => socket.TrySendFile(file, offset, count);

    public void WatchPeer() => socket.WatchPeer();

    public void ShutdownSend() => socket.ShutdownSend();

    public void Abort() => socket.Release(reset: true);

    public void Dispose() => socket.Release(reset: false);
}
