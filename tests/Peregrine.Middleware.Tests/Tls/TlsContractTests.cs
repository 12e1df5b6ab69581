using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Peregrine.Contract;
using Peregrine.Middleware.Tls;
using Peregrine.Testing;

namespace Peregrine.Middleware.Tests.Tls;

/// <summary>What every transport keeps is kept inside TLS, too.</summary>
public sealed class TlsReaderTests() : ReaderContract(TlsPair.ConnectAsync);

public sealed class TlsReaderMisuseTests() : ReaderMisuseContract(TlsPair.ConnectAsync);

public sealed class TlsReaderCancellationTests() : ReaderCancellationContract(TlsPair.ConnectAsync);

public sealed class TlsWriterTests() : WriterContract(TlsPair.ConnectAsync);

public sealed class TlsBackpressureTests() : BackpressureContract(TlsPair.ConnectAsync);

public sealed class TlsBufferTests() : BufferContract(TlsPair.ConnectAsync);

public sealed class TlsConnectionTests() : ConnectionContract(TlsPair.ConnectAsync);

public sealed class TlsEndTests() : EndContract(TlsPair.ConnectAsync);

public sealed class TlsRandomTransferTests() : RandomTransferContract(TlsPair.ConnectAsync, seeds: 100);

internal static class TlsPair
{
    private static readonly TlsEnvironment s_environment = TlsEnvironment.Of(new ConnectionBuilder(EmptyServices.Instance), isServer: true);
    private static readonly TlsServerHandshake s_server = new(new TlsOptions { Certificate = { Value = TestCertificates.Localhost } }, s_environment);
    private static readonly TlsClientHandshake s_client =
        new(new TlsClientOptions { TargetHost = "localhost", TrustedRoots = TestCertificates.Roots }, s_environment);

    public static async ValueTask<ConnectionPair> ConnectAsync(int blockSizeInBytes)
    {
        var pool = new LeakCheckingMemoryPool(blockSizeInBytes);
        var transport = new InMemoryTransport(new InMemoryTransportOptions { Pool = pool, BlockSizeInBytes = blockSizeInBytes });
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));
        var accepting = listener.AcceptAsync();
        var client = await transport.ConnectAsync(listener.EndPoint);
        var server = (await accepting)!;
        var ends = await Task.WhenAll(
            TlsEnd.OpenAsync(server, s_server, blockSizeInBytes, s_environment), TlsEnd.OpenAsync(client, s_client, blockSizeInBytes, s_environment));
        return new ConnectionPair(ends[0], ends[1], blockSizeInBytes, pool) { Cleanup = listener.DisposeAsync, AddsBytes = true, TellsOfCuts = true };
    }
}

/// <summary>No services.</summary>
internal sealed class EmptyServices : IServiceProvider
{
    public static readonly EmptyServices Instance = new();

    public object? GetService(Type serviceType) => null;
}

/// <summary>A connection from whose pipeline a test has stolen the handler: it ends when the connection is disposed.</summary>
internal sealed class TlsEnd : ConnectionContext
{
    private readonly ConnectionContext _inner;
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lazy<Task> _closing;
    private Task _running = Task.CompletedTask;

    private TlsEnd(ConnectionContext inner)
    {
        _inner = inner;
        _closing = new Lazy<Task>(CloseAsync);
    }

    public override string ConnectionId
    {
        get => _inner.ConnectionId;
        set => _inner.ConnectionId = value;
    }

    public override IFeatureCollection Features => _inner.Features;

    [AllowNull]
    public override IDictionary<object, object?> Items
    {
        get => _inner.Items;
        set => _inner.Items = value!;
    }

    public override IDuplexPipe Transport
    {
        get => _inner.Transport;
        set => _inner.Transport = value;
    }

    public override EndPoint? LocalEndPoint
    {
        get => _inner.LocalEndPoint;
        set => _inner.LocalEndPoint = value;
    }

    public override EndPoint? RemoteEndPoint
    {
        get => _inner.RemoteEndPoint;
        set => _inner.RemoteEndPoint = value;
    }

    public override CancellationToken ConnectionClosed
    {
        get => _inner.ConnectionClosed;
        set => _inner.ConnectionClosed = value;
    }

    public static async Task<ConnectionContext> OpenAsync(ConnectionContext inner, ITlsHandshake handshake, int blockSizeInBytes, TlsEnvironment environment)
    {
        var end = new TlsEnd(inner);
        var settings = new TlsSessionSettings(1 << 20, AllowEndWithoutCloseNotify: false, TransportContract.Limit)
        {
            SmallestBlockInBytes = blockSizeInBytes,
            LargestBlockInBytes = blockSizeInBytes,
            MostCopiedInBytes = 4 * blockSizeInBytes,
        };
        end._running = Task.Run(() => new TlsMiddleware(end.HandleAsync, handshake, settings, environment).InvokeAsync(inner));
        var first = await Task.WhenAny(end._opened.Task, end._running);
        return first == end._opened.Task ? end : throw new InvalidOperationException("The handshake has failed.");
    }

    public override void Abort(ConnectionAbortedException abortReason) => _inner.Abort(abortReason);

    public override void Abort() => _inner.Abort();

    public override async ValueTask DisposeAsync()
    {
        await _closing.Value;
        await base.DisposeAsync();
    }

    private async Task HandleAsync(ConnectionContext connection)
    {
        _opened.SetResult();
        await _disposed.Task;
    }

    private async Task CloseAsync()
    {
        _disposed.SetResult();
        await _running;
        await _inner.DisposeAsync();
    }
}
