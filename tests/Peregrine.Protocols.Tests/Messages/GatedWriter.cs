using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;

namespace Peregrine.Protocols.Tests.Messages;

/// <summary>An output whose flushes end when the test says so.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "A SemaphoreSlim whose wait handle nobody takes holds nothing to dispose.")]
internal sealed class GatedWriter : PipeWriter
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    private readonly ArrayBufferWriter<byte> _bytes = new();
    private readonly SemaphoreSlim _begun = new(0);
    private TaskCompletionSource<FlushResult>? _flush;

    public bool IsClosed { get; init; }

    public int Flushes { get; private set; }

    public List<byte[]> Messages()
    {
        var reader = new LengthFieldReader(new() { Width = 2 });
        var input = new ReadOnlySequence<byte>(_bytes.WrittenMemory);
        var messages = new List<byte[]>();
        var (consumed, examined) = (input.Start, input.Start);
        while (!input.IsEmpty && reader.TryParse(input, ref consumed, ref examined, out var message))
        {
            messages.Add(message.ToArray());
            input = input.Slice(consumed);
        }

        Assert.True(input.IsEmpty);
        return messages;
    }

    /// <summary>Ends the flush that is there, or the next one.</summary>
    public async Task EndFlushAsync(bool isCompleted = false, Exception? exception = null)
    {
        Assert.True(await _begun.WaitAsync(s_limit));
        var flush = _flush!;
        _flush = null;
        if (exception is null)
        {
            flush.SetResult(new FlushResult(isCanceled: false, isCompleted));
        }
        else
        {
            flush.SetException(exception);
        }
    }

    public override void Advance(int bytes) => _bytes.Advance(bytes);

    public override void CancelPendingFlush() => throw new NotSupportedException();

    public override void Complete(Exception? exception = null)
    {
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        Assert.Null(_flush);
        Flushes++;
        if (!IsClosed)
        {
            return default;
        }

        var flush = _flush = new TaskCompletionSource<FlushResult>();
        _begun.Release();
        return new ValueTask<FlushResult>(flush.Task);
    }

    public override Memory<byte> GetMemory(int sizeHint = 0) => _bytes.GetMemory(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => _bytes.GetSpan(sizeHint);
}
