using System.Buffers;
using System.IO.Pipelines;
using BenchmarkDotNet.Attributes;
using Microsoft.AspNetCore.Connections;
using Peregrine.Benchmarks.Sockets;
using Peregrine.Protocols;

namespace Peregrine.Benchmarks.Protocols;

/// <summary>Messages that a handler answers one by one, beside a loop of the user's own over the same reader and writer: what <c>UseMessages</c> costs.</summary>
[MemoryDiagnoser]
public class HandleMessages
{
    private const int Messages = 4096;

    private readonly LengthFieldWriter _format = new LengthFieldWriter();
    private byte[] _batch = null!;
    private Pipe _toServer = null!;
    private Pipe _toClient = null!;
    private Task _running = null!;

    /// <summary>How many come in one read.</summary>
    [Params(1, 16)]
    public int Together { get; set; }

    [GlobalSetup(Target = nameof(UseMessages))]
    public void StartHandler() => Start(connection =>
    {
        var builder = new ConnectionBuilder(new NoServices());
        builder.UseMessages<ReadOnlySequence<byte>, ReadOnlySequence<byte>>(new LengthFieldReader(), _format, static (context, message) =>
        {
            var written = context.WriteAsync(message);
            return written.IsCompletedSuccessfully ? TakeResult(written) : new ValueTask(written.AsTask());
        });
        return builder.Build()(connection);
    });

    [GlobalSetup(Target = nameof(OwnLoop))]
    public void StartLoop() => Start(async connection =>
    {
        var reader = new MessageReader<ReadOnlySequence<byte>>(connection.Transport.Input, new LengthFieldReader());
        var writer = new MessageWriter(connection.Transport.Output);
        while (await reader.WaitToReadAsync())
        {
            while (reader.TryRead(out var message))
            {
                writer.Write<ReadOnlySequence<byte>>(message, _format);
            }

            await writer.FlushAsync();
        }
    });

    [Benchmark(OperationsPerInvoke = Messages)]
    public Task UseMessages() => RoundTripsAsync();

    [Benchmark(Baseline = true, OperationsPerInvoke = Messages)]
    public Task OwnLoop() => RoundTripsAsync();

    private static ValueTask TakeResult(ValueTask<FlushResult> written)
    {
        _ = written.Result;
        return default;
    }

    private void Start(ConnectionDelegate server)
    {
        var options = new PipeOptions(readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, useSynchronizationContext: false);
        _toServer = new Pipe(options);
        _toClient = new Pipe(options);
        var message = RandomMessage.Of(32);
        var bytes = new ArrayBufferWriter<byte>();
        for (var i = 0; i < Together; i++)
        {
            _format.Write(new ReadOnlySequence<byte>(message), bytes);
        }

        _batch = bytes.WrittenMemory.ToArray();
        _running = server(new DefaultConnectionContext("it", new Duplex(_toServer.Reader, _toClient.Writer), new Duplex(_toClient.Reader, _toServer.Writer)));
        RoundTripsAsync().GetAwaiter().GetResult();
        Expect.True(!_running.IsCompleted, "The server has ended.");
    }

    private async Task RoundTripsAsync()
    {
        for (var i = 0; i < Messages; i += Together)
        {
            await _toServer.Writer.WriteAsync(_batch);
            var read = await _toClient.Reader.ReadAtLeastAsync(_batch.Length);
            Expect.True(read.Buffer.Length == _batch.Length && read.Buffer.FirstSpan.SequenceEqual(_batch), "The answer is another one.");
            _toClient.Reader.AdvanceTo(read.Buffer.End);
        }
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private sealed class NoServices : IServiceProvider
    {
        public object? GetService(Type serviceType) => null;
    }
}
