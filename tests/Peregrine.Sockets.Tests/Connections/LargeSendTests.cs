using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Peregrine.Contract;
using Peregrine.Features;

namespace Peregrine.Sockets.Tests.Connections;

public sealed class EventArgsLargeSendTests() : LargeSendTests(TestedSocket.EventArgs);

public sealed class ThreadPoolLargeSendTests() : LargeSendTests(TestedSocket.ThreadPool);

public sealed class EventLoopLargeSendTests() : LargeSendTests(TestedSocket.EventLoop);

/// <summary>What is too large for the kernel's buffer: gathered blocks, the memory of a WriteAsync, files. Over TCP, with the real pool.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "DisposeAsync disposes.")]
public abstract class LargeSendTests(TestedSocket tested) : IAsyncLifetime
{
    private const int Size = 20_000_000;

    private readonly PinnedMemoryPool _pool = new(new PinnedMemoryPoolOptions());
    private IConnectionListener _listener = null!;
    private ConnectionContext _server = null!;
    private Socket _client = null!;

    public async Task InitializeAsync()
    {
        var transport = new SocketTransportFactory(new SocketTransportOptions { MemoryPool = _pool, Tested = tested }, NullLoggerFactory.Instance);
        _listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0));

        // With a size of its own: the kernel lets its own choice grow with a reader, to tens of megabytes, and then nothing waits any more.
        _client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 512 * 1024 };
        await _client.ConnectAsync(_listener.EndPoint);
        _server = (await _listener.AcceptAsync())!;
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync().Bounded();
        await _listener.DisposeAsync();
        Assert.Equal(0, _pool.RentedBytes);
    }

    [Fact]
    public async Task Megabytes_that_are_written_block_by_block_arrive()
    {
        var output = _server.Transport.Output;
        output.Buffer(0, Size);
        Assert.True(_pool.RentedBytes >= Size);
        var flushing = output.FlushAsync().AsTask();
        await ReceiveAsync(Size);
        Assert.False((await flushing.Bounded()).IsCompleted);
        Assert.Equal(0, _pool.RentedBytes);
    }

    [Fact]
    public async Task A_large_WriteAsync_is_sent_from_the_callers_memory()
    {
        var content = Content.Create(0, Size);
        var writing = _server.Transport.Output.WriteAsync(content).AsTask();
        Assert.False(writing.IsCompleted);

        // Nothing is rented while the kernel still finds room for a piece.
        Assert.True(SpinWait.SpinUntil(() => _pool.RentedBytes > 0, TestTimeout.Limit));
        Assert.True(_pool.RentedBytes <= 64 * 1024);
        await ReceiveAsync(Size);
        Assert.False((await writing.Bounded()).IsCompleted);
        Assert.Equal(0, _pool.RentedBytes);
    }

    [Fact]
    public async Task A_large_WriteAsync_that_is_cancelled_gives_the_callers_memory_back_and_loses_nothing()
    {
        var content = Content.Create(0, Size);
        var writing = _server.Transport.Output.WriteAsync(content).AsTask();
        await ReceiveAsync(Size / 2);
        _server.Transport.Output.CancelPendingFlush();
        Assert.True((await writing.Bounded()).IsCanceled);
        Array.Clear(content);
        await ReceiveAsync(Size / 2, from: Size / 2);
    }

    [Fact]
    public async Task Who_completes_behind_a_large_WriteAsync_loses_nothing()
    {
        var content = Content.Create(0, Size);
        var writing = _server.Transport.Output.WriteAsync(content).AsTask();
        _server.Transport.Output.Buffer(Size, 100_000);
        await _server.Transport.Output.CompleteAsync();
        await ReceiveAsync(Size + 100_000);
        Assert.Equal(0, await _client.ReceiveAsync(new byte[1]).Bounded());
        await writing.Bounded();
    }

    [Fact]
    public async Task A_file_goes_out_between_what_is_written_before_and_after()
    {
        using var file = CreateFile(Content.Create(0, Size));
        var output = _server.Transport.Output;
        output.Buffer(0, 1_000);
        var sending = _server.SendFileAsync(file, offset: 1_000, count: Size - 2_000).AsTask();
        await ReceiveAsync(Size - 1_000);
        Assert.False((await sending.Bounded()).IsCompleted);
        await output.WriteAsync(Content.Create(Size - 1_000, 1_000));
        await ReceiveAsync(1_000, from: Size - 1_000);
        Assert.Equal(Size, _server.Features.Get<IConnectionByteCountFeature>()!.BytesSent);
        Assert.False(file.IsClosed);
    }

    [Fact]
    public async Task Nothing_is_flushed_while_a_file_is_sent()
    {
        using var file = CreateFile(Content.Create(0, Size));
        var sending = _server.SendFileAsync(file, 0, Size).AsTask();
        Assert.False(sending.IsCompleted);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await _server.Transport.Output.FlushAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await _server.SendFileAsync(file, 0, 1));
        await ReceiveAsync(Size);
        await sending.Bounded();
    }

    [Fact]
    public async Task A_token_that_cancels_a_file_aborts_the_connection()
    {
        using var source = new CancellationTokenSource();
        using var file = CreateFile(Content.Create(0, Size));
        var sending = _server.SendFileAsync(file, 0, Size, source.Token).AsTask();
        await source.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => sending.Bounded());
        Assert.Equal(ConnectionCloseReason.Aborted, _server.Features.Get<IConnectionCloseFeature>()!.Reason);
        await Assert.ThrowsAsync<SocketException>(() => ReceiveAsync(Size));
    }

    [Fact]
    public async Task A_file_that_becomes_shorter_meanwhile_aborts_the_connection()
    {
        using var file = CreateFile(Content.Create(0, Size), FileAccess.ReadWrite);
        var sending = _server.SendFileAsync(file, 0, Size).AsTask();
        await ReceiveAsync(100_000);
        RandomAccess.SetLength(file, 100);

        // The kernel has the file's pages, and what was on its way has changed with them: only the end is of interest.
        var buffer = new byte[256 * 1024];
        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            while (await _client.ReceiveAsync(buffer).Bounded() > 0)
            {
            }
        });
        Assert.True((await sending.Bounded()).IsCompleted);
    }

    [Fact]
    public async Task A_peer_that_resets_ends_the_sending_of_a_file()
    {
        using var file = CreateFile(Content.Create(0, Size));
        var sending = _server.SendFileAsync(file, 0, Size).AsTask();
        await ReceiveAsync(100_000);
        _client.Close(timeout: 0);
        Assert.True((await sending.Bounded()).IsCompleted);
        Assert.True((await _server.SendFileAsync(file, 0, Size)).IsCompleted);
    }

    [Theory]
    [InlineData(-1, 1, "offset")]
    [InlineData(0, -1, "count")]
    [InlineData(0, 101, "count")]
    [InlineData(101, 1, "count")]
    public async Task A_part_that_the_file_does_not_have_is_refused(long offset, long count, string parameter)
    {
        using var file = CreateFile(new byte[100]);
        var refused = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await _server.SendFileAsync(file, offset, count));
        Assert.Equal(parameter, refused.ParamName);
        Assert.False((await _server.SendFileAsync(file, 100, 0)).IsCompleted);
    }

    [Fact]
    public async Task Middleware_that_replaces_the_transport_takes_the_feature_away_and_sees_the_file()
    {
        using var file = CreateFile(Content.Create(0, 200_000));
        var seen = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        _server.Transport = new Replaced(_server.Transport.Input, seen.Writer);
        Assert.Null(_server.Features.Get<IConnectionSendFileFeature>());
        await _server.SendFileAsync(file, 1_000, 199_000);
        await seen.Writer.CompleteAsync();
        var read = await seen.Reader.ReadAtLeastAsync(199_000);
        Content.Verify(read.Buffer, 1_000);
        Assert.Equal(199_000, read.Buffer.Length);
    }

    private static SafeFileHandle CreateFile(byte[] content, FileAccess access = FileAccess.Read)
    {
        var path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        File.WriteAllBytes(path, content);
        return File.OpenHandle(path, access: access, share: FileShare.ReadWrite | FileShare.Delete, options: FileOptions.DeleteOnClose);
    }

    private async Task ReceiveAsync(int count, long from = 0)
    {
        var buffer = new byte[256 * 1024];
        while (count > 0)
        {
            var received = await _client.ReceiveAsync(buffer.AsMemory(0, Math.Min(count, buffer.Length))).Bounded();
            Assert.NotEqual(0, received);
            Content.Verify(buffer.AsSpan(0, received), from);
            from += received;
            count -= received;
        }
    }

    private sealed record Replaced(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
