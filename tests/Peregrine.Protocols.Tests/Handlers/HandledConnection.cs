using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Peregrine.Protocols.Tests.Handlers;

/// <summary>A connection whose pipeline runs, and its client.</summary>
internal sealed class HandledConnection : IConnectionLifetimeNotificationFeature, IDisposable
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private static int s_last;

    private readonly Pipe _toServer = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
    private readonly Pipe _toClient;
    private readonly CountingWriter _output;
    private readonly CancellationTokenSource _stopping = new();
    private readonly DefaultConnectionContext _connection;

    public HandledConnection(Action<IConnectionBuilder> configure, IServiceProvider? services = null, int window = 1024 * 1024)
    {
        _toClient = new Pipe(new PipeOptions(pauseWriterThreshold: window, resumeWriterThreshold: window / 2, useSynchronizationContext: false));
        _output = new CountingWriter(_toClient.Writer);
        _connection = new DefaultConnectionContext($"it-{Interlocked.Increment(ref s_last)}", new Duplex(_toServer.Reader, _output), new Duplex(_toClient.Reader, _toServer.Writer));
        _connection.Features.Set<IConnectionLifetimeNotificationFeature>(this);
        var builder = new ConnectionBuilder(services ?? new ServiceCollection().BuildServiceProvider());
        configure(builder);
        var pipeline = builder.Build();
        Running = Task.Run(async () =>
        {
            try
            {
                await pipeline(_connection);
            }
            finally
            {
                await _output.CompleteAsync();
                await _toServer.Reader.CompleteAsync();
            }
        });
    }

    public Task Running { get; }

    public string Id => _connection.ConnectionId;

    public int Flushes => _output.Flushes;

    public CancellationToken ConnectionClosedRequested
    {
        get => _stopping.Token;
        set => throw new NotSupportedException();
    }

    /// <summary>All at once, as one read.</summary>
    public Task SendAsync(string text) => SendAsync(Encoding.ASCII.GetBytes(text));

    public async Task SendAsync(byte[] bytes) => await _toServer.Writer.WriteAsync(bytes);

    public async Task EndInputAsync(Exception? exception = null) => await _toServer.Writer.CompleteAsync(exception);

    public async Task StopReadingAsync(Exception? exception = null) => await _toClient.Reader.CompleteAsync(exception);

    public void RequestClose() => _stopping.Cancel();

    public void Abort() => _connection.Abort();

    /// <summary>As <see cref="Abort"/>, and the connection's token has fired.</summary>
    public async Task AbortAsync()
    {
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = _connection.ConnectionClosed.Register(closed.SetResult);
        _connection.Abort();
        await closed.Task.WaitAsync(Limit, TimeProvider.System);
    }

    /// <summary>What the server sends next, of a length that is known.</summary>
    public async Task<string> ReceiveAsync(int length)
    {
        var read = await _toClient.Reader.ReadAtLeastAsync(length).AsTask().WaitAsync(Limit, TimeProvider.System);
        var bytes = read.Buffer.Slice(0, length).ToArray();
        _toClient.Reader.AdvanceTo(read.Buffer.GetPosition(length));
        return Encoding.ASCII.GetString(bytes);
    }

    /// <summary>The next line that the server sends, without its end.</summary>
    public async Task<string> ReceiveLineAsync()
    {
        while (true)
        {
            var read = await _toClient.Reader.ReadAsync().AsTask().WaitAsync(Limit, TimeProvider.System);
            if (read.Buffer.PositionOf((byte)'\n') is { } end)
            {
                var line = Encoding.ASCII.GetString(read.Buffer.Slice(0, end).ToArray());
                _toClient.Reader.AdvanceTo(read.Buffer.GetPosition(1, end));
                return line;
            }

            Assert.False(read.IsCompleted, "There is no more line.");
            _toClient.Reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>What the server has sent and not been received.</summary>
    public async Task<string> ReceiveAllAsync()
    {
        using var bytes = new MemoryStream();
        await _toClient.Reader.CopyToAsync(bytes).WaitAsync(Limit, TimeProvider.System);
        return Encoding.ASCII.GetString(bytes.ToArray());
    }

    public bool HasNothing() => !_toClient.Reader.TryRead(out _);

    /// <summary>The pipeline has ended without an exception.</summary>
    public Task EndedAsync() => Running.WaitAsync(Limit, TimeProvider.System);

    public void Dispose()
    {
        _stopping.Dispose();
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private sealed class CountingWriter(PipeWriter writer) : PipeWriter
    {
        private int _flushes;

        public int Flushes => Volatile.Read(ref _flushes);

        public override void Advance(int bytes) => writer.Advance(bytes);

        public override void CancelPendingFlush() => writer.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => writer.Complete(exception);

        public override Memory<byte> GetMemory(int sizeHint = 0) => writer.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => writer.GetSpan(sizeHint);

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _flushes);
            return writer.FlushAsync(cancellationToken);
        }

        public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _flushes);
            return writer.WriteAsync(source, cancellationToken);
        }
    }
}
