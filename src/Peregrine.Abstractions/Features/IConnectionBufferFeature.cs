namespace Peregrine.Features;

/// <summary>Tells what a connection keeps of the bytes that pass, and what it waits for.</summary>
/// <remarks>
/// Safe to read from any thread; a value read while the connection works may be a little old. Middleware that keeps bytes itself replaces the feature by
/// its own before its handshake ends (<see cref="IConnectionHandshakeFeature.EndHandshake"/>), at which the server looks for it anew.
/// </remarks>
public interface IConnectionBufferFeature
{
    /// <summary>Bytes that were received and are not consumed.</summary>
    long UnreadBytes { get; }

    /// <summary>
    /// Bytes that the application has consumed since the connection began; null where they are as many as were received and are not unread. Of
    /// middleware such as TLS, which receives more than it hands on.
    /// </summary>
    long? ConsumedBytes => null;

    /// <summary>
    /// The memory that <see cref="UnreadBytes"/> keep: the size of the blocks that they are in, of which one unread byte keeps a whole one.
    /// </summary>
    long UnreadMemoryInBytes { get; }

    /// <summary>
    /// Bytes that were written, flushed or not, and that the transport has not taken for the peer (for a socket: not handed to the kernel). The
    /// memory of a large <c>WriteAsync</c> is the application's, and does not count.
    /// </summary>
    long UnsentBytes { get; }

    /// <summary>
    /// Bytes that the transport took and the peer has not acknowledged, a FIN counting as one; null where that cannot be told. For a TCP socket on
    /// Linux that is what the kernel keeps to send (SIOCOUTQ, tcp(7)): one system call.
    /// </summary>
    long? UnacknowledgedBytes { get; }

    /// <summary>
    /// Bytes that the peer has acknowledged since the connection began, to tell whether it takes anything: of a send that waits they grow before
    /// the transport counts it as sent. Null where that cannot be told. For a TCP socket on Linux, tcpi_bytes_acked (tcp(7)): one system call.
    /// </summary>
    long? AcknowledgedBytes { get; }

    /// <summary>
    /// Bytes that have come from the peer and that nobody has received; null where that cannot be told. For a socket that is what the kernel keeps
    /// (FIONREAD, tcp(7)): one system call.
    /// </summary>
    long? UnreceivedBytes { get; }

    /// <summary>The application waits for the peer to send.</summary>
    bool IsReadPending { get; }

    /// <summary>Flushed bytes, or a file, wait for the peer to take what is in front of them.</summary>
    bool IsSendPending { get; }

    /// <summary>
    /// For how long, since the connection began, flushed bytes or a file have waited in all (<see cref="IsSendPending"/>), the wait that goes on included;
    /// null where that cannot be told. Middleware that replaces the transport's feature passes it on.
    /// </summary>
    TimeSpan? SendPendingTime => null;

    /// <summary>
    /// A number that is another one as soon as bytes were received or sent, or something has begun to wait for either; null where that cannot be told.
    /// As long as it stays the same, and nothing was there to wait for, nobody needs to look at the rest, but for what is written and not flushed.
    /// Middleware that replaces the transport's feature passes its number on, or has none.
    /// </summary>
    uint? ActivityStamp => null;

    /// <summary>Bounds <see cref="UnsentBytes"/>. Default null: nothing does.</summary>
    IUnsentBytesLimit? UnsentBytesLimit { get; set; }
}

/// <summary>
/// A bound of what is written and not sent. Flushes that are awaited need none: it is for what an application writes without them.
/// </summary>
public interface IUnsentBytesLimit
{
    /// <summary>How many bytes may be unsent before <see cref="OnExceeded"/> is called. Asked now and then, from any thread.</summary>
    long MaxUnsentBytes { get; }

    /// <summary>
    /// More is unsent. Called on the thread that writes, and again while it goes on: end the connection, from when on what is written is discarded.
    /// Must not throw.
    /// </summary>
    /// <param name="unsentBytes">How much it is.</param>
    void OnExceeded(long unsentBytes);
}
