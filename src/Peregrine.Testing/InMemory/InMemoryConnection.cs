using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Peregrine.Features;

namespace Peregrine.Testing;

/// <summary>One end of an in-memory connection.</summary>
internal sealed class InMemoryConnection : ConnectionContext, IConnectionIdFeature, IConnectionItemsFeature, IConnectionEndPointFeature,
    IConnectionTransportFeature, IConnectionLifetimeFeature, IMemoryPoolFeature, IConnectionCloseFeature, IConnectionByteCountFeature,
    IConnectionHalfCloseFeature, IConnectionBufferFeature
{
    private static long _lastId;
    private readonly CancellationTokenSource _closed = new();
    private readonly PipeScheduler _scheduler;
    private readonly OneWayPipe _incoming;
    private readonly OneWayPipe _outgoing;
    private readonly InMemoryReader _reader;
    private readonly InMemoryWriter _writer;
    private InMemoryConnection? _peer;
    private int _reason;
    private int _closedFired;
    private int _disposed;

    private InMemoryConnection(InMemoryConnectionSettings settings, OneWayPipe incoming, OneWayPipe outgoing, EndPoint? local, EndPoint? remote)
    {
        _incoming = incoming;
        _outgoing = outgoing;
        _scheduler = settings.Scheduler;
        _reader = new InMemoryReader(incoming);
        _writer = new InMemoryWriter(outgoing, new DiscardingBuffer(settings.Pool, settings.BlockSizeInBytes), OnOutputCompleted);
        MemoryPool = settings.Pool;
        Transport = new DuplexPipe(_reader, _writer);
        LocalEndPoint = local;
        RemoteEndPoint = remote;
        ConnectionClosed = _closed.Token;
        ConnectionId = $"mem-{Interlocked.Increment(ref _lastId)}";
        Features.Set<IConnectionIdFeature>(this);
        Features.Set<IConnectionItemsFeature>(this);
        Features.Set<IConnectionEndPointFeature>(this);
        Features.Set<IConnectionTransportFeature>(this);
        Features.Set<IConnectionLifetimeFeature>(this);
        Features.Set<IMemoryPoolFeature>(this);
        Features.Set<IConnectionCloseFeature>(this);
        Features.Set<IConnectionByteCountFeature>(this);
        Features.Set<IConnectionHalfCloseFeature>(this);
        Features.Set<IConnectionBufferFeature>(this);
    }

    public override string ConnectionId { get; set; }

    public override IFeatureCollection Features { get; } = new FeatureCollection();

    public override IDictionary<object, object?> Items { get; set; } = new ConnectionItems();

    public override IDuplexPipe Transport { get; set; }

    public override EndPoint? LocalEndPoint { get; set; }

    public override EndPoint? RemoteEndPoint { get; set; }

    public override CancellationToken ConnectionClosed { get; set; }

    public MemoryPool<byte> MemoryPool { get; }

    public ConnectionCloseReason Reason => (ConnectionCloseReason)Volatile.Read(ref _reason);

    public long BytesReceived => _incoming.BytesReceived;

    public long BytesSent => _outgoing.BytesSent;

    public long UnreadBytes => _reader.UnreadBytes;

    public long UnreadMemoryInBytes => UnreadBytes;

    public long UnsentBytes => _writer.UnflushedBytes;

    /// <summary>What the peer has not received yet: the pipe is the wire, and what it holds is on its way.</summary>
    public long? UnacknowledgedBytes => _outgoing.BytesSent - _outgoing.BytesReceived;

    public long? AcknowledgedBytes => _outgoing.BytesReceived;

    public long? UnreceivedBytes => _incoming.BytesSent - _incoming.BytesReceived;

    public bool IsReadPending => _reader.IsReading;

    public bool IsSendPending => _writer.IsFlushing;

    /// <summary>Bytes only grow, so it does not come back.</summary>
    public uint? ActivityStamp => unchecked((uint)(4 * (BytesReceived + BytesSent)) + (IsReadPending ? 1u : 0) + (IsSendPending ? 2u : 0));

    public IUnsentBytesLimit? UnsentBytesLimit
    {
        get => _writer.Limit;
        set => _writer.Limit = value;
    }

    public static (InMemoryConnection Server, InMemoryConnection Client) CreatePair(InMemoryConnectionSettings settings, EndPoint? serverEndPoint, EndPoint? clientEndPoint)
    {
        var toServer = new OneWayPipe(settings.Pipe);
        var toClient = new OneWayPipe(settings.Pipe);
        var server = new InMemoryConnection(settings, toServer, toClient, serverEndPoint, clientEndPoint);
        var client = new InMemoryConnection(settings, toClient, toServer, clientEndPoint, serverEndPoint);
        server._peer = client;
        client._peer = server;
        return (server, client);
    }

    public bool TrySetReason(ConnectionCloseReason reason)
    {
        ArgumentOutOfRangeException.ThrowIfEqual(reason, ConnectionCloseReason.None);
        return Interlocked.CompareExchange(ref _reason, (int)reason, (int)ConnectionCloseReason.None) == (int)ConnectionCloseReason.None;
    }

    public ValueTask CompleteOutputAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Transport.Output.CompleteAsync();
    }

    public override void Abort() => Abort(new ConnectionAbortedException("The connection was aborted by this side."));

    public override void Abort(ConnectionAbortedException abortReason)
    {
        ArgumentNullException.ThrowIfNull(abortReason);
        if (Volatile.Read(ref _disposed) != 0)
            return;
        TrySetReason(ConnectionCloseReason.Aborted);
        _incoming.FailReads(abortReason);
        _outgoing.FailReads(new ConnectionResetException("The peer reset the connection."));
        _incoming.EndWrites();
        _outgoing.EndWrites();
        FireClosed();
        _peer!.OnPeerEnded(ConnectionCloseReason.PeerReset);
    }

    public override ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return base.DisposeAsync();
        // Not through Transport: middleware may have put something else there.
        _writer.Complete();
        _outgoing.EndWrites();
        _incoming.FailReads(new ConnectionAbortedException("The connection was disposed."));
        _reader.Complete();
        FireClosed();
        return base.DisposeAsync();
    }

    private void OnOutputCompleted()
    {
        if (_outgoing.ReadFailure is null)
            _peer!.OnPeerEnded(ConnectionCloseReason.PeerClosed);
    }

    private void OnPeerEnded(ConnectionCloseReason reason)
    {
        if (Volatile.Read(ref _disposed) != 0)
            return;
        TrySetReason(reason);
        FireClosed();
    }

    private void FireClosed()
    {
        if (Interlocked.Exchange(ref _closedFired, 1) == 0)
            _scheduler.Schedule(static state => RunClosedCallbacks((CancellationTokenSource)state!), _closed);
    }

    private static void RunClosedCallbacks(CancellationTokenSource closed)
    {
        try
        {
            closed.Cancel();
        }
        catch (AggregateException callbackFailures)
        {
            // A user's callback must not end the process; it is reported as what it is, an exception that nobody observes.
            _ = Task.FromException(callbackFailures);
        }
    }

    private sealed class DuplexPipe(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
