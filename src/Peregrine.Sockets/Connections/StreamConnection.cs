using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Peregrine.Features;

namespace Peregrine.Sockets.Connections;

/// <summary>A connection: the reader and writer over one <see cref="IStreamSocket"/>, and how they end together.</summary>
internal sealed class StreamConnection<TSocket> : StreamConnectionContext, IStreamSocketCompletions
    where TSocket : struct, IStreamSocket
{
    private readonly TSocket _socket;
    private readonly SocketPipeReader<TSocket> _reader;
    private readonly SocketPipeWriter<TSocket> _writer;
    private readonly bool _lingerInBackground;
    private GracefulClose<TSocket>? _close;
    private ConnectionAbortedException? _abortReason;
    private volatile bool _failed;
    private Burst _burst;

    /// <param name="socket">Belongs to the connection from here on.</param>
    /// <param name="settings">What the transport's connections share.</param>
    /// <param name="lingerInBackground">
    /// Whether <see cref="DisposeAsync"/> completes at our FIN (a client), or when the socket is gone (a server, which counts it until then).
    /// </param>
    public StreamConnection(TSocket socket, StreamSettings settings, bool lingerInBackground)
    {
        _socket = socket;
        Settings = settings;
        _lingerInBackground = lingerInBackground;
        _reader = new SocketPipeReader<TSocket>(socket, this);
        _writer = new SocketPipeWriter<TSocket>(socket, this);
        _socket.SetCompletions(this);
    }

    /// <summary>What its parts share with those of others: each would keep a reference.</summary>
    public StreamSettings Settings { get; }

    public override PipeReader Input => _reader;

    public override PipeWriter Output => _writer;

    public override MemoryPool<byte> MemoryPool => Settings.Pool;

    public override long BytesReceived => _reader.BytesReceived;

    public override long BytesSent => _writer.BytesSent;

    public override long UnreadBytes => _reader.UnreadBytes;

    public override long UnreadMemoryInBytes => _reader.UnreadMemory;

    public override long UnsentBytes => _writer.UnsentBytes;

    public override long? UnacknowledgedBytes => _socket.Unacknowledged;

    public override long? AcknowledgedBytes => _socket.Acknowledged;

    public override bool IsReadPending => _reader.IsReading;

    public override bool IsSendPending => _writer.IsSending;

    public override TimeSpan? SendPendingTime => _writer.SendingTime;

    public override uint? ActivityStamp => _burst.Stamp;

    /// <summary>
    /// Of both directions together: a wait in either gives the thread up. Two flows that count at once count inexactly, which is enough.
    /// </summary>
    public ref Burst Burst => ref _burst;

    /// <summary>Set before anything else of an abort happens.</summary>
    public ConnectionAbortedException? AbortReason => Volatile.Read(ref _abortReason);

    /// <summary>No byte can be sent any more: the peer reset the connection, or this side aborted it.</summary>
    public bool HasFailed => _failed;

    /// <summary>Resets the connection. Pending and later reads fail with <paramref name="abortReason"/>, flushes end as completed.</summary>
    public override void Abort(ConnectionAbortedException abortReason)
    {
        ArgumentNullException.ThrowIfNull(abortReason);
        if (Interlocked.CompareExchange(ref _abortReason, abortReason, null) is not null)
        {
            return; // The first reason is the one that readers see.
        }

        _failed = true;
        TrySetReason(ConnectionCloseReason.Aborted);
        IsUnflushed |= _writer.IsUnflushed || _socket.Unacknowledged > (_writer.IsDrained ? GracefulClose<TSocket>.OnlyFin : 0);
        _socket.Abort();
        Volatile.Read(ref _close)?.OnAborted();
        _reader.Abort(abortReason);
        _writer.Abort();
        FireConnectionClosed();
    }

    public override async ValueTask CompleteOutputAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _writer.Complete();
        await _writer.WhenDrainedAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public override ValueTask<FlushResult> SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken) =>
        _writer.SendFileAsync(file, offset, count, cancellationToken);

    /// <summary>Closes gracefully: everything written arrives, unless the connection failed or was aborted.</summary>
    public override ValueTask DisposeAsync()
    {
        var close = new GracefulClose<TSocket>(this, _socket, _reader, _writer, Settings);
        return new ValueTask(
            Interlocked.CompareExchange(ref _close, close, null) is { } other ? other.Disposed : close.RunAsync(_lingerInBackground));
    }

    public void OnReceived(IoResult result) => _reader.OnReceived(result);

    public void OnSent(IoResult result) => _writer.OnSent(result);

    /// <summary>The reader, and the writer, meet it themselves when they go on.</summary>
    public void OnPeerGone(bool isReset)
    {
        TrySetReason(isReset ? ConnectionCloseReason.PeerReset : ConnectionCloseReason.PeerClosed);
        FireConnectionClosed();
    }

    /// <summary>The reader met the peer's FIN.</summary>
    public void OnPeerClosed()
    {
        TrySetReason(ConnectionCloseReason.PeerClosed);
        FireConnectionClosed();
    }

    /// <summary>The reader met the end of the connection.</summary>
    public void OnFailed(Exception failure)
    {
        _failed = true;
        TrySetReason(ReasonOf(failure));
        FireConnectionClosed();
    }

    /// <summary>The writer met the end of the connection.</summary>
    public void OnSendFailed(SocketError error)
    {
        if (error == SocketError.Shutdown)
        {
            // EPIPE: the peer's FIN, or its shutdown of receiving, came before the reset that answers what was sent after it; a reset without
            // a FIN is reported as such first. What the peer has sent is whole, and still to be read.
            _failed = true;
            if (!_reader.WillTellTheEnd)
            {
                TrySetReason(ConnectionCloseReason.PeerClosed);
            }

            FireConnectionClosed();
            return;
        }

        var failure = ToException(error);
        _reader.FailAfterData(failure);
        OnFailed(failure);
    }

    /// <summary>The close has sent everything, our FIN too, or the connection has failed.</summary>
    public void OnSendingFinished()
    {
        TrySetReason(ConnectionCloseReason.HandlerCompleted);
        FireConnectionClosed();
    }

    public Exception ToException(SocketError error) => error switch
    {
        SocketError.OperationAborted or SocketError.Interrupted =>
            _abortReason ?? new ConnectionAbortedException("The connection was disposed."),
        SocketError.ConnectionReset or SocketError.Shutdown or SocketError.ConnectionAborted =>
            new ConnectionResetException("The peer reset the connection.", new SocketException((int)error)),
        _ => new IOException($"The connection failed: {error}.", new SocketException((int)error)),
    };

    protected override ILogger Logger => Settings.Logger;

    protected override void WatchPeer() => _socket.WatchPeer();

    private static ConnectionCloseReason ReasonOf(Exception failure) => failure switch
    {
        ConnectionResetException => ConnectionCloseReason.PeerReset,
        ConnectionAbortedException => ConnectionCloseReason.Aborted,
        _ => ConnectionCloseReason.IoError,
    };
}
