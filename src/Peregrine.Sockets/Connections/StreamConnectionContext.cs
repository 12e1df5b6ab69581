using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Peregrine.Features;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Connections;

/// <summary>The face of a connection: identity, features, close reason and the closed token. Everything but the bytes.</summary>
internal abstract class StreamConnectionContext : ConnectionContext, IDuplexPipe,
    IConnectionIdFeature, IConnectionTransportFeature, IConnectionItemsFeature, IConnectionEndPointFeature, IConnectionLifetimeFeature,
    IMemoryPoolFeature, IConnectionSocketFeature, IConnectionCloseFeature, IConnectionByteCountFeature, IConnectionSendFileFeature,
    IConnectionHalfCloseFeature, IConnectionTcpInfoFeature, IConnectionBufferFeature, IConnectionSchedulingFeature
{
    private LazySignal _closed;
    private int _reason;
    private int _isWatched;
    private string? _connectionId;
    private EndPoint? _localEndPoint;
    private EndPoint? _remoteEndPoint;
    private bool _isRemoteEndPointKept;
    private Socket? _socket;
    private IDictionary<object, object?>? _items;
    private IDuplexPipe? _transport;
    private ConnectionFeatureCollection? _features;

    protected abstract ILogger Logger { get; }

    public abstract PipeReader Input { get; }

    public abstract PipeWriter Output { get; }

    public abstract MemoryPool<byte> MemoryPool { get; }

    public abstract long BytesReceived { get; }

    public abstract long BytesSent { get; }

    public abstract long UnreadBytes { get; }

    public abstract long UnreadMemoryInBytes { get; }

    public abstract long UnsentBytes { get; }

    public abstract long? UnacknowledgedBytes { get; }

    public abstract long? AcknowledgedBytes { get; }

    public abstract bool IsReadPending { get; }

    public abstract bool IsSendPending { get; }

    public abstract TimeSpan? SendPendingTime { get; }

    public abstract uint? ActivityStamp { get; }

    public IUnsentBytesLimit? UnsentBytesLimit { get; set; }

    public long? UnreceivedBytes
    {
        get
        {
            try
            {
                return Connected is not null ? Connected.UnreceivedBytes : _socket?.Available;
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return null;
            }
        }
    }

    public override string ConnectionId
    {
        // The handler and whoever lists the connections may ask at once: they see the same.
        get => _connectionId ?? Interlocked.CompareExchange(ref _connectionId, ConnectionIds.Next(), null) ?? _connectionId;
        set => _connectionId = value;
    }

    public override IFeatureCollection Features => _features ??= new ConnectionFeatureCollection(this);

    [AllowNull]
    public override IDictionary<object, object?> Items
    {
        get => _items ??= new ConnectionItems();
        set => _items = value;
    }

    [AllowNull]
    public override IDuplexPipe Transport
    {
        get => _transport ?? this;
        set => _transport = value;
    }

    /// <summary>Middleware has put itself between the application's output and the socket, and must see every byte.</summary>
    public bool IsOutputReplaced => _transport is not null && !ReferenceEquals(_transport.Output, Output);

    /// <summary>Unless it was given: asked of the socket when somebody looks, and null if that is after its release.</summary>
    public override EndPoint? LocalEndPoint
    {
        get => _localEndPoint ??= AskLocalEndPoint();
        set => _localEndPoint = value;
    }

    /// <remarks>
    /// Admission looks at that of every connection, once: made of what the socket keeps, it costs an idle connection nothing afterwards. For who asks more
    /// often it is kept.
    /// </remarks>
    public override EndPoint? RemoteEndPoint
    {
        get
        {
            if (_remoteEndPoint is { } kept)
            {
                return kept;
            }

            var made = Connected?.RemoteEndPoint;
            if (_isRemoteEndPointKept)
            {
                return Interlocked.CompareExchange(ref _remoteEndPoint, made, null) ?? made; // Unless middleware has set another meanwhile.
            }

            _isRemoteEndPointKept = true;
            return made;
        }

        set => _remoteEndPoint = value;
    }

    /// <summary>The runtime's socket, if the connection stands on one.</summary>
    public Socket? Socket
    {
        init => _socket = value;
    }

    /// <summary>The operating system's socket, if the connection stands on one without the runtime's.</summary>
    public IConnectedSocket? Connected { get; init; }

    public bool HasSocket => _socket is not null || Connected is not null;

    Socket IConnectionSocketFeature.Socket =>
        _socket ?? Connected?.Socket ?? throw new InvalidOperationException("This connection stands on no socket of the operating system.");

    /// <summary>Whether the kernel tells of the connection itself.</summary>
    public bool HasTcpInfo => OperatingSystem.IsLinux() && (Connected?.IsTcp ?? _socket is { ProtocolType: ProtocolType.Tcp });

    public ConnectionCloseReason Reason => (ConnectionCloseReason)Volatile.Read(ref _reason);

    public bool IsUnflushed { get; set; }

    public override CancellationToken ConnectionClosed
    {
        get
        {
            if (!_closed.IsFired && Interlocked.Exchange(ref _isWatched, 1) == 0)
            {
                WatchPeer();
            }

            return _closed.Token;
        }

        set => _closed.Token = value;
    }

    public abstract ValueTask CompleteOutputAsync(CancellationToken cancellationToken = default);

    public abstract ValueTask<FlushResult> SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken);

    /// <summary>Somebody looks at <see cref="ConnectionClosed"/>, for the first time: it must fire also while nobody reads.</summary>
    protected abstract void WatchPeer();

    public bool TryGetTcpInfo(out TcpConnectionInfo info)
    {
        info = default;
        return Connected is not null ? Connected.TryGetTcpInfo(out info) : HasTcpInfo && TcpInformation.TryGet(_socket!, out info);
    }

    public void Schedule(IThreadPoolWorkItem work)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (Connected is { } connected)
        {
            connected.Schedule(work);
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: false);
        }
    }

    public bool TrySetReason(ConnectionCloseReason reason)
    {
        ArgumentOutOfRangeException.ThrowIfEqual((int)reason, (int)ConnectionCloseReason.None);

        // The reader, the writer, the handler and the server's stop may all end the connection at once.
        return Interlocked.CompareExchange(ref _reason, (int)reason, (int)ConnectionCloseReason.None) == (int)ConnectionCloseReason.None;
    }

    private EndPoint? AskLocalEndPoint()
    {
        try
        {
            return Connected is not null ? Connected.LocalEndPoint : _socket?.LocalEndPoint;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return null;
        }
    }

    protected void FireConnectionClosed() =>
        _closed.Fire(exception => SocketsLog.ClosedCallbackFailed(Logger, ConnectionId, exception));
}
