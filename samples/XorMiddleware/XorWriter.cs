using System.Buffers;
using System.IO.Pipelines;
using Peregrine.Middleware;

namespace XorMiddleware;

/// <summary>Writes to another writer, each byte combined with a key.</summary>
public sealed class XorWriter(PipeWriter inner, byte key) : DelegatingPipeWriter(inner)
{
    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        // The source is the caller's: it is copied into the writer's memory, and changed there.
        this.Write(source.Span);
        return FlushAsync(cancellationToken);
    }

    protected override void OnWritten(Span<byte> bytes) => XorExtensions.Apply(key, bytes);
}
