using System.Buffers;
using System.IO.Pipelines;
using BenchmarkDotNet.Attributes;
using Microsoft.AspNetCore.Connections;
using Peregrine.Benchmarks.Sockets;
using Peregrine.Protocols;

namespace Peregrine.Benchmarks.Protocols;

/// <summary>Messages to many receivers, whose outputs take everything at once: what a delivery costs before the system call.</summary>
[MemoryDiagnoser]
public class BroadcastMessages
{
    private const int Receivers = 1000;
    private const int Messages = 16;
    private const int Size = 28;
    private const int SizeOnWire = Size + sizeof(int);

    private readonly ConnectionRegistry _registry = new();
    private readonly IMessageWriter<ReadOnlySequence<byte>> _format = new LengthFieldWriter();
    private readonly byte[] _message = RandomMessage.Of(Size);
    private TaskCompletionSource _isDelivered = new();
    private long _missing;

    /// <summary>How many are broadcast before the next ones wait until all have them.</summary>
    [Params(1, Messages)]
    public int Together { get; set; }

    [GlobalSetup]
    public async Task Start()
    {
        for (var i = 0; i < Receivers; i++)
        {
            _registry.Register(new DefaultConnectionContext($"{i}"), new MessageWriter(new TakingWriter(this)));
        }

        await Deliver();
        Expect.True(_missing == 0, "Not everything is delivered.");
    }

    [Benchmark(OperationsPerInvoke = Messages * Receivers)]
    public async Task Deliver()
    {
        for (var i = 0; i < Messages; i += Together)
        {
            _isDelivered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Volatile.Write(ref _missing, (long)Together * Receivers * SizeOnWire);
            for (var j = 0; j < Together; j++)
            {
                var result = await _registry.All.BroadcastAsync(new ReadOnlySequence<byte>(_message), _format);
                Expect.True(result.Posted == Receivers, "A receiver was skipped.");
            }

            await _isDelivered.Task;
        }
    }

    private void OnTaken(int bytes)
    {
        if (Interlocked.Add(ref _missing, -bytes) == 0)
        {
            _isDelivered.SetResult();
        }
    }

    private sealed class TakingWriter(BroadcastMessages owner) : PipeWriter
    {
        private readonly byte[] _buffer = new byte[4096];
        private int _written;

        public override void Advance(int bytes) => _written += bytes;

        public override void CancelPendingFlush() => throw new NotSupportedException();

        public override void Complete(Exception? exception = null)
        {
        }

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            owner.OnTaken(_written);
            _written = 0;
            return default;
        }

        public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
        {
            owner.OnTaken(source.Length);
            return default;
        }

        public override Memory<byte> GetMemory(int sizeHint = 0) => _buffer;

        public override Span<byte> GetSpan(int sizeHint = 0) => _buffer;
    }
}
