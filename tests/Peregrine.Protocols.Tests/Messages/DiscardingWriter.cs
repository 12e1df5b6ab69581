using System.IO.Pipelines;

namespace Peregrine.Protocols.Tests.Messages;

/// <summary>An output that takes everything, and keeps nothing.</summary>
internal sealed class DiscardingWriter : PipeWriter
{
    private readonly byte[] _buffer = new byte[4096];

    public override void Advance(int bytes)
    {
    }

    public override void CancelPendingFlush()
    {
    }

    public override void Complete(Exception? exception = null)
    {
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => default;

    public override Memory<byte> GetMemory(int sizeHint = 0) => _buffer;

    public override Span<byte> GetSpan(int sizeHint = 0) => _buffer;
}
