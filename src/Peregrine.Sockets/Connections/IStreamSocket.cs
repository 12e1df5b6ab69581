using Microsoft.Win32.SafeHandles;

namespace Peregrine.Sockets.Connections;

/// <summary>
/// The seam between what moves the bytes and the logic above it (<see cref="SocketPipeReader{TSocket}"/>,
/// <see cref="SocketPipeWriter{TSocket}"/>, <see cref="InputDiscard{TSocket}"/>). Implementations are structs, so that the logic is
/// compiled for each of them and calls it directly.
/// </summary>
/// <remarks>
/// An error of the connection is reported once, by whichever member meets it first. <c>Shutdown</c> (EPIPE) of a send, met first, says that
/// the peer's FIN came before its reset.
/// What is expected to fail is a result: no member throws, not even after <see cref="Abort"/> or <see cref="Dispose"/>.
/// There is at most one <see cref="Receive"/> and one <see cref="Send"/> at a time; the two directions are independent.
/// </remarks>
internal interface IStreamSocket
{
    /// <summary>
    /// How many bytes of what was sent the peer has not acknowledged, the FIN counting as one; zero if it never will, because the connection is
    /// gone; null where that cannot be told. At zero after the FIN, a reset loses nothing.
    /// </summary>
    int? Unacknowledged { get; }

    /// <summary>How many bytes the peer has acknowledged since the connection began; null where that cannot be told.</summary>
    long? Acknowledged { get; }

    /// <summary>Names who is told of completions; called once, before any other member.</summary>
    void SetCompletions(IStreamSocketCompletions completions);

    /// <summary>
    /// Receives what is there, without waiting. Would-block is <see cref="IoResult.WouldBlock"/>; zero bytes into a buffer that is not
    /// empty is the peer's FIN.
    /// </summary>
    IoResult TryReceive(Span<byte> buffer);

    /// <summary>
    /// Receives what is there, waiting for it, into what it rents when it is there. Returns true if it is done; false if
    /// <see cref="IStreamSocketCompletions.OnReceived"/> follows, until when the buffer belongs to the socket, and nothing else may receive.
    /// Zero bytes are the peer's FIN; with bytes, an error is what was behind them.
    /// </summary>
    bool Receive(IReceiveBuffer buffer, out IoResult result);

    /// <summary>Sends what the kernel takes at once, which may be a part, without waiting.</summary>
    IoResult TrySend(ReadOnlySpan<byte> data);

    /// <summary>The same for a chain of blocks, as many of them with one system call as is possible.</summary>
    IoResult TrySend(BufferSegment first);

    /// <summary>
    /// Sends at least a part of <paramref name="data"/>, waiting for room. Returns true if it is done; false if
    /// <see cref="IStreamSocketCompletions.OnSent"/> follows, until when the memory belongs to the socket.
    /// </summary>
    bool Send(ReadOnlyMemory<byte> data, out IoResult result);

    /// <summary>
    /// Sends what the kernel takes at once of a part of a file. Zero bytes are the end of the file; <c>OperationNotSupported</c> says that
    /// it must be read and sent instead.
    /// </summary>
    IoResult TrySendFile(SafeFileHandle file, long offset, int count);

    /// <summary>
    /// From now on <see cref="IStreamSocketCompletions.OnPeerGone"/> tells of the peer's FIN or reset while nothing is being received, also
    /// behind bytes that are unread. Called once at most. Where the system cannot tell, only a receive does.
    /// </summary>
    void WatchPeer();

    /// <summary>Sends the FIN after everything sent so far.</summary>
    void ShutdownSend();

    /// <summary>Resets the connection (RST) and releases the socket. Pending operations complete with an error.</summary>
    void Abort();

    /// <summary>Releases the socket; what the kernel holds goes out unless the peer sends something more. Pending operations complete with an error.</summary>
    void Dispose();
}

/// <summary>
/// Where a socket that waits receives into. It is rented for one attempt, when there is likely something to receive: a connection that waits holds none.
/// </summary>
internal interface IReceiveBuffer
{
    /// <summary>Not empty, unless there is none to be had: then the connection is aborted. What is received to it is its owner's.</summary>
    Span<byte> Rent();

    /// <summary>Nothing was received.</summary>
    void Return();
}

/// <summary>Is told when a pending operation of an <see cref="IStreamSocket"/> has completed: exactly once for each, from any thread.</summary>
internal interface IStreamSocketCompletions
{
    void OnReceived(IoResult result);

    void OnSent(IoResult result);

    /// <summary>See <see cref="IStreamSocket.WatchPeer"/>: once at most, and not after the release. Must not block.</summary>
    void OnPeerGone(bool isReset);
}
