using System.Buffers;
using System.IO.Pipelines;
using System.Net.Security;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Peregrine.Features;

namespace Peregrine.Middleware.Tls;

/// <summary>TLS on one connection, from the handshake to the close_notify: what its reader and its writer share.</summary>
internal sealed partial class TlsSession : IDuplexPipe, IAsyncDisposable
{
    private readonly ConnectionContext _connection;
    private readonly IDuplexPipe _transport;
    private readonly IConnectionCloseFeature? _close;
    private readonly IConnectionSchedulingFeature? _scheduling;
    private readonly TransportStream _stream;
    private readonly TlsPipeReader _reader;
    private readonly TlsPipeWriter _writer;

    public TlsSession(ConnectionContext connection, TlsSessionSettings settings)
    {
        _connection = connection;
        _transport = connection.Transport;
        var features = connection.Features;
        _close = features.Get<IConnectionCloseFeature>();
        _transportBuffers = features.Get<IConnectionBufferFeature>();
        _scheduling = features.Get<IConnectionSchedulingFeature>();
        Settings = settings;
        Pool = features.Get<IMemoryPoolFeature>()?.MemoryPool ?? MemoryPool<byte>.Shared;
        _stream = new TransportStream(_transport) { OnShutDownDue = () => _writer!.SendCloseNotify() };
        Tls = new TlsStream(_stream);
        _reader = new TlsPipeReader(this, Tls);
        _writer = new TlsPipeWriter(this, Tls, _stream);
    }

    public TlsStream Tls { get; }

    public MemoryPool<byte> Pool { get; }

    public TlsSessionSettings Settings { get; }

    public PipeReader Input => _reader;

    public PipeWriter Output => _writer;

    public IDuplexPipe Transport => _transport;

    public TransportStream Stream => _stream;

    /// <summary>The exception by which a read has told of the connection's end, if that was TLS's doing.</summary>
    public Exception? End { get; private set; }

    /// <summary>Neither direction has a use any more.</summary>
    public bool IsTransportGone =>
        _close?.Reason is not (null or ConnectionCloseReason.None or ConnectionCloseReason.PeerClosed or ConnectionCloseReason.HandlerCompleted
            or ConnectionCloseReason.HandlerFailed or ConnectionCloseReason.ServerStopping);

    /// <summary>Runs work where the connection's handler runs.</summary>
    public void Schedule(IThreadPoolWorkItem work)
    {
        if (_scheduling is not null)
        {
            _scheduling.Schedule(work);
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: false);
        }
    }

    /// <exception cref="InvalidDataException">It is.</exception>
    public void ThrowIfTooMuchIsUnread(long unread)
    {
        if (unread >= Settings.MaxUnreadBytes)
        {
            _close?.TrySetReason(ConnectionCloseReason.UnreadLimit);
            throw PipeMisuse.TooMuchUnread(unread, Settings.MaxUnreadBytes);
        }
    }

    /// <summary>What a read of TLS that has failed means to the application.</summary>
    public Exception ExplainReadFailure(Exception exception)
    {
        if (_stream.ReadFailure is { } failure)
        {
            return failure;
        }

        if (_stream.HasEnded)
        {
            return End = Truncated();
        }

        // The peer, or somebody between, has sent what is no record of this connection. Nothing that follows can be trusted.
        var aborted = new ConnectionAbortedException($"The peer broke TLS: {exception.Message}", exception);
        End = aborted;
        _connection.Abort(aborted);
        return aborted;
    }

    /// <summary>What an end of TLS means to the application: null for an end that the peer has announced.</summary>
    public Exception? ExplainEnd() => _stream.HasEnded && !Settings.AllowEndWithoutCloseNotify ? End = Truncated() : null;

    /// <summary>Reading may make TLS write something, such as the answer to a key update.</summary>
    public void FlushWhatReadingWrote()
    {
        if (_stream.UnflushedBytes > 0)
        {
            _writer.FlushTransport();
        }
    }

    /// <summary>Encrypting has failed, or the transport's flush has.</summary>
    public void OnSendFailed(Exception exception) =>
        _connection.Abort(new ConnectionAbortedException($"TLS cannot send: {exception.Message}", exception));

    /// <summary>Ends the connection if it has more unsent than it may.</summary>
    public void KeepUnsentBound()
    {
        if (_transportBuffers is { UnsentBytesLimit: { } limit } && UnsentBytes is var unsent && unsent > limit.MaxUnsentBytes)
        {
            limit.OnExceeded(unsent);
        }
    }

    public void CompleteTransportOutput() => _transport.Output.Complete();

    /// <summary>Sends what is left and the close_notify, as far as the transport's output: its own close does the rest.</summary>
    public async Task FinishAsync(bool discard)
    {
        _reader.Complete();
        _stream.StopReading();
        await _reader.WhenIdleAsync().ConfigureAwait(false);
        await _writer.FinishAsync(discard).ConfigureAwait(false);
        Leave();
    }

    public ValueTask DisposeAsync() => Tls.DisposeAsync();

    private static ConnectionResetException Truncated() =>
        new("The peer ended the connection without TLS's close_notify: what it has sent may be cut off (RFC 8446 §6.1).");
}

/// <summary>What every TLS session of a middleware has.</summary>
internal sealed record TlsSessionSettings(long MaxUnreadBytes, bool AllowEndWithoutCloseNotify, TimeSpan HandshakeTimeout)
{
    /// <summary>The size of the first block that is read into or written to; large messages have larger ones.</summary>
    public int SmallestBlockInBytes { get; init; } = 4 * 1024;

    /// <summary>That of a record at most (RFC 8446 §5.1).</summary>
    public int LargestBlockInBytes { get; init; } = 16 * 1024;

    /// <summary>A <c>WriteAsync</c> of more than this is encrypted from the caller's memory; less is copied.</summary>
    public int MostCopiedInBytes { get; init; } = 8 * 1024;
}
